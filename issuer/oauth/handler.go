package oauth

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/httpd"
)

// Handler puts a [Server] on the web.
type Handler struct {
	server *Server
	// base is the origin and path under which the routes lie.
	base   string
	cookie string
}

// Paths of the endpoints under the issuer's path.
const (
	pathPAR       = "/par"
	pathAuthorize = "/authorize"
	pathLogin     = "/login"
	pathLoginJPKI = "/login/jpki"
	pathLoginTest = "/login/test"
	pathReturn    = "/login/return"
	pathDevice    = "/login/device"
	pathCode      = "/login/code"
	pathOpenID    = "/login/openid"
	pathCallback  = "/login/openid/callback"
	pathSigning   = "/signing"
	pathTestCards = "/test-cards"
	pathReview    = "/review"
	pathToken     = "/token"
	pathRevoke    = "/revoke"
	pathChallenge = "/challenge"
)

// Mount adds the routes of the authorization server under path, the issuer's
// path without a trailing slash.
func Mount(h *httpd.Server, path, tenant string, server *Server) *Handler {
	handler := &Handler{
		server: server,
		base:   h.Origin() + path,
		cookie: httpd.CookieName("issuer", tenant, "login"),
	}
	machine := h.Echo().Group(path, httpd.Errors(handler.encodeMachine), httpd.CORS(), handler.FreshNonce())
	machine.POST(pathPAR, handler.push, h.LimitRate())
	machine.OPTIONS(pathPAR, httpd.Preflight(http.MethodPost))
	machine.POST(pathToken, handler.token)
	machine.OPTIONS(pathToken, httpd.Preflight(http.MethodPost))
	machine.POST(pathRevoke, handler.revoke)
	machine.OPTIONS(pathRevoke, httpd.Preflight(http.MethodPost))
	if server.cfg.AttestationChallenges != nil {
		machine.POST(pathChallenge, handler.challenge)
		machine.OPTIONS(pathChallenge, httpd.Preflight(http.MethodPost))
	}

	forms := h.Echo().Group(path, httpd.Errors(handler.EncodePage), h.SameOrigin())
	forms.GET(pathAuthorize, handler.authorize)
	forms.GET(pathLogin, handler.login)
	forms.GET(pathReturn, handler.returned)
	if server.cfg.OtherDevice {
		forms.POST(pathLoginJPKI, handler.prove, h.LimitRate())
		forms.POST(pathDevice, handler.elsewhere, h.LimitRate())
		forms.GET(pathDevice, handler.device)
		forms.POST(pathCode, handler.typed, h.LimitRate())
	}
	if server.cfg.TestCards != nil {
		forms.POST(pathLoginTest, handler.proveTestPerson)
	}
	if server.cfg.FrontDoor != nil {
		forms.POST(pathOpenID, handler.leave)
		forms.GET(pathCallback, handler.arrive)
	}
	forms.GET(pathReview, handler.review)
	forms.POST(pathReview, handler.decide)

	// Apps are no pages: without cookies, and closed to scripts of others.
	apps := h.Echo().Group(path, httpd.Errors(encodeAppError))
	apps.GET(pathSigning+"/:id", handler.signing)
	apps.POST(pathSigning+"/:id", handler.deposit, h.LimitRate())
	if server.cfg.TestCards != nil {
		apps.GET(pathTestCards+"/:person", handler.testCard)
	}
	return handler
}

// Endpoints returns the URLs for the metadata.
func (h *Handler) Endpoints() Endpoints {
	e := Endpoints{
		PushedAuthorizationRequest: h.base + pathPAR,
		Authorization:              h.base + pathAuthorize,
		Token:                      h.base + pathToken,
		Revocation:                 h.base + pathRevoke,
	}
	if h.server.cfg.AttestationChallenges != nil {
		e.Challenge = h.base + pathChallenge
	}
	return e
}

// encodeMachine answers clients. Whoever is to use a challenge gets one.
func (h *Handler) encodeMachine(c echo.Context, err error) {
	if challenges := h.server.cfg.AttestationChallenges; challenges != nil && openid4vci.CodeOf(err) == attestation.CodeUseChallenge {
		c.Response().Header().Set(attestation.HeaderChallenge, challenges.Fresh())
	}
	encodeError(c, err)
}

// challenge hands out a challenge. There is nothing to say in a request.
func (h *Handler) challenge(c echo.Context) error {
	return httpd.WriteJSON(c, http.StatusOK, openid4vci.ChallengeResponse{Challenge: h.server.cfg.AttestationChallenges.Fresh()})
}

// FreshNonce returns a middleware for routes that take DPoP proofs: where nonces
// are demanded, every answer to a POST brings a new one, so that a client that
// goes on using the latest is never turned away for the age of its nonce alone
// (RFC 9449 section 8.2).
func (h *Handler) FreshNonce() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if nonces := h.server.cfg.DPoPNonces; nonces != nil && c.Request().Method == http.MethodPost {
				c.Response().Header().Set("DPoP-Nonce", nonces.Fresh())
			}
			return next(c)
		}
	}
}

func clientHeaders(c echo.Context) ClientHeaders {
	header := c.Request().Header
	return ClientHeaders{
		Attestation: header.Values("OAuth-Client-Attestation"),
		PoP:         header.Values("OAuth-Client-Attestation-PoP"),
		DPoP:        header.Values("DPoP"),
	}
}

func (h *Handler) push(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	response, err := h.server.Push(c.Request().Context(), h.base+pathPAR, clientHeaders(c), Params(form))
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusCreated, response)
}

func (h *Handler) token(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	response, err := h.server.Token(c.Request().Context(), h.base+pathToken, clientHeaders(c), Params(form))
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, response)
}

func (h *Handler) revoke(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	if err := h.server.Revoke(c.Request().Context(), clientHeaders(c), Params(form)); err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}

// encodeError answers machines.
func encodeError(c echo.Context, err error) { httpd.EncodeOAuth(c, AsHTTP(err)) }

// AsHTTP gives an error of this package the form that package httpd answers
// with. Other errors are returned as they are.
func AsHTTP(err error) error {
	var e *openid4vci.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code == openid4vci.CodeTemporarilyUnavailable {
		return httpd.Unavailable(e.Err)
	}
	return &httpd.Error{Status: e.Status, Code: e.Code, Description: e.Description, Cause: e.Err}
}

package oauth

import (
	"cmp"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/web"
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

func (h *Handler) authorize(c echo.Context) error {
	query, err := httpd.Query(c)
	if err != nil {
		return err
	}
	cookie, err := h.server.Begin(c.Request().Context(), query.Get("client_id"), query.Get("request_uri"))
	if err != nil {
		return err
	}
	h.setCookie(c, cookie)
	return c.Redirect(http.StatusSeeOther, h.base+pathLogin)
}

func (h *Handler) login(c echo.Context) error {
	view, err := h.view(c)
	if err != nil {
		return err
	}
	if view.Person != nil {
		return c.Redirect(http.StatusSeeOther, h.base+pathReview)
	}
	if err := h.allowRedirect(c, view); err != nil {
		return err
	}
	return h.page(c, http.StatusOK, web.Login, view)
}

func (h *Handler) prove(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	answer, err := decodeAnswer(form.Get)
	if err != nil {
		return err
	}
	next, err := h.server.Prove(c.Request().Context(), h.readCookie(c), answer)
	if err != nil {
		return err
	}
	h.setCookie(c, next)
	return c.Redirect(http.StatusSeeOther, h.base+pathReview)
}

func (h *Handler) proveTestPerson(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	next, err := h.server.ProveTestPerson(c.Request().Context(), h.readCookie(c), form.Get("person"))
	if err != nil {
		return err
	}
	h.setCookie(c, next)
	return c.Redirect(http.StatusSeeOther, h.base+pathReview)
}

func (h *Handler) review(c echo.Context) error {
	view, err := h.view(c)
	if err != nil {
		return err
	}
	if view.Person == nil {
		return c.Redirect(http.StatusSeeOther, h.base+pathLogin)
	}
	if err := h.allowRedirect(c, view); err != nil {
		return err
	}
	return h.page(c, http.StatusOK, web.Review, view)
}

func (h *Handler) decide(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	decision := form.Get("decision")
	if decision != "approve" && decision != "cancel" {
		return refuse(openid4vci.CodeInvalidRequest, "decision must be approve or cancel", nil)
	}
	target, err := h.server.Decide(c.Request().Context(), h.readCookie(c), decision == "approve")
	if err != nil {
		return err
	}
	httpd.ClearCookie(c, h.cookie)
	return c.Redirect(http.StatusSeeOther, target)
}

func (h *Handler) view(c echo.Context) (*View, error) {
	return h.server.View(c.Request().Context(), h.readCookie(c))
}

// allowRedirect lets the forms end where they lead: the wallet's redirect_uri
// and the front door.
func (h *Handler) allowRedirect(c echo.Context, view *View) error {
	targets := []string{view.RedirectURI}
	if view.FrontDoor != "" {
		targets = append(targets, view.FrontDoor)
	}
	return httpd.AllowFormTarget(c, targets...)
}

// leave sends the browser to the front door.
func (h *Handler) leave(c echo.Context) error {
	if _, err := httpd.Form(c); err != nil { // which has no fields
		return err
	}
	location, err := h.server.Leave(c.Request().Context(), h.readCookie(c), h.base+pathCallback)
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, location)
}

// arrive goes on when the browser comes back from there.
func (h *Handler) arrive(c echo.Context) error {
	query, err := httpd.Query(c)
	if err != nil {
		return err
	}
	next, err := h.server.Arrive(c.Request().Context(), h.readCookie(c), h.base+pathCallback, query)
	if err != nil {
		return err
	}
	h.setCookie(c, next)
	return c.Redirect(http.StatusSeeOther, h.base+pathReview)
}

func (h *Handler) readCookie(c echo.Context) string {
	value, _ := httpd.ReadCookie(c, h.cookie)
	return value
}

func (h *Handler) setCookie(c echo.Context, value string) {
	httpd.SetCookie(c, httpd.Cookie{Name: h.cookie, Value: value, Lifetime: h.server.cfg.Lifetimes.Login})
}

// Frame is what is around every page of the issuer.
type Frame struct {
	Base     string
	TestMode bool
	// NameJA and NameEN name the issuer. NameEN is empty if it adds nothing.
	NameJA, NameEN string
}

// Frame returns what is around pages of the issuer that are not of this package.
func (h *Handler) Frame() Frame {
	f := Frame{Base: h.base, TestMode: h.server.cfg.TestCards != nil}
	f.NameJA, f.NameEN = h.server.names()
	return f
}

// pageData is what the templates get.
type pageData struct {
	Frame
	*View
	// ChallengeText is the text to sign on this device, the others are for
	// another one.
	ChallengeText, OtherText, OtherBase64 string
	// SignerLink opens the signer app.
	SignerLink template.URL
	// QR is the link for an app on another device, and WrongCode says that a
	// code was not the app's.
	QR          *pages.QR
	WrongCode   bool
	Error       string
	Description string
	// Reason says more of access_denied, or is empty.
	Reason string
}

func (h *Handler) page(c echo.Context, status int, page web.Page, view *View) error {
	return h.render(c, status, page, h.data(view, evidence.SameDevice))
}

func (h *Handler) render(c echo.Context, status int, page web.Page, data pageData) error {
	data.Frame = h.Frame()
	html, err := page.Render(data)
	if err != nil {
		return err
	}
	return c.HTMLBlob(status, html)
}

// names returns what people read of the issuer.
func (s *Server) names() (ja, en string) {
	en = s.cfg.Name["en"]
	ja = cmp.Or(s.cfg.Name["ja"], en, s.cfg.Issuer)
	if en == ja {
		en = ""
	}
	return ja, en
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

// EncodePage answers browsers.
func (h *Handler) EncodePage(c echo.Context, err error) {
	e := httpd.AsError(AsHTTP(err))
	httpd.NoteError(c, e)
	data := pageData{Error: e.Code, Description: e.Description}
	switch {
	case errors.Is(err, source.ErrAmbiguous):
		data.Reason = "ambiguous_record"
	case errors.Is(err, errNoCredential):
		data.Reason = "no_credential"
	}
	if renderErr := h.render(c, e.Status, web.Error, data); renderErr != nil {
		httpd.EncodeProblem(c, renderErr)
	}
}

// decodeAnswer reads an answer from the members of a form or a document.
func decodeAnswer(member func(string) string) (a evidence.Answer, err error) {
	var errs [3]error
	a.Certificate, errs[0] = decodeUpload(member("certificate"))
	a.Signature, errs[1] = decodeUpload(member("signature"))
	a.SignedData, errs[2] = decodeUpload(member("signed_data"))
	raw, whole := len(a.Certificate) > 0 && len(a.Signature) > 0, len(a.SignedData) > 0
	if err := errors.Join(errs[:]...); err != nil || raw == whole || whole && len(a.Certificate)+len(a.Signature) > 0 {
		return a, refuse(openid4vci.CodeInvalidRequest, "certificate and signature, or signed_data, are needed in base64", err)
	}
	return a, nil
}

// decodeUpload reads base64 as people paste it: standard alphabet, padded, with
// line breaks.
func decodeUpload(s string) ([]byte, error) {
	const longest = 48 << 10 // a SignedData of its greatest size
	s = strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == ' ' {
			return -1
		}
		return r
	}, s)
	if len(s) > longest {
		return nil, errors.New("upload is too long")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

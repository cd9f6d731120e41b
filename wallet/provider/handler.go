package provider

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// statusListMaxAge bounds how long caches on the way keep a status list.
const statusListMaxAge = time.Minute

// maxRequest is the largest body: a proof with the most keys, or evidence as
// large as platforms make it. maxKeysRequest has room for evidence of each key.
const (
	maxRequest     = 64 << 10
	maxKeysRequest = 512 << 10
)

type handler struct{ provider *Provider }

// Mount adds the routes of the provider under path, which together with the
// server's origin is the provider's base URL.
func Mount(h *httpd.Server, path string, p *Provider) {
	handler := handler{p}
	api := h.Echo().Group(path, httpd.Errors(encodeError), httpd.BodyLimit(maxRequest))
	api.POST(PathChallenges, handler.challenge)
	api.POST(PathInstances, handler.register, h.LimitRate())
	api.POST(PathInstances+"/:id"+PathClientAttestations, handler.attestClient)
	evident := h.Echo().Group(path, httpd.Errors(encodeError), httpd.BodyLimit(maxKeysRequest))
	evident.POST(PathInstances+"/:id"+PathKeyAttestations, handler.attestKeys)
	api.POST(PathInstances+"/:id"+PathRevoke, handler.revokeOwn)
	api.POST(PathAdminRevocations, handler.revokeMany)
	api.POST(PathAdminInstances+"/:id"+PathRevoke, handler.revoke)
	if p.cfg.StatusLists != nil {
		lists := h.Echo().Group(path+PathStatusLists, httpd.Errors(encodeError), httpd.CORS())
		lists.GET("/:id", handler.statusList)
		lists.OPTIONS("/:id", httpd.Preflight(http.MethodGet))
	}
}

func (h handler) challenge(c echo.Context) error {
	return httpd.WriteJSON(c, http.StatusOK, h.provider.Challenge())
}

func (h handler) register(c echo.Context) error {
	var request RegisterRequest
	if err := httpd.JSON(c, &request); err != nil {
		return err
	}
	response, created, err := h.provider.Register(c.Request().Context(), request)
	if err != nil {
		return err
	}
	if created {
		return httpd.WriteJSON(c, http.StatusCreated, response)
	}
	return httpd.WriteJSON(c, http.StatusOK, response)
}

func (h handler) attestClient(c echo.Context) error {
	var request ClientAttestationRequest
	if err := httpd.JSON(c, &request); err != nil {
		return err
	}
	response, err := h.provider.AttestClient(c.Request().Context(), c.Param("id"), request)
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, response)
}

func (h handler) attestKeys(c echo.Context) error {
	var request KeyAttestationRequest
	if err := httpd.JSON(c, &request); err != nil {
		return err
	}
	response, err := h.provider.AttestKeys(c.Request().Context(), c.Param("id"), request)
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, response)
}

func (h handler) revokeOwn(c echo.Context) error {
	var request RevokeOwnRequest
	if err := httpd.JSON(c, &request); err != nil {
		return err
	}
	if err := h.provider.RevokeOwn(c.Request().Context(), c.Param("id"), request); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// operator returns an error unless the request is the operator's.
func (h handler) operator(c echo.Context) error {
	err := h.provider.AuthorizeOperator(bearer(c.Request().Header))
	if err != nil {
		c.Response().Header().Set("WWW-Authenticate", "Bearer")
	}
	return err
}

func (h handler) revokeMany(c echo.Context) error {
	if err := h.operator(c); err != nil {
		return err
	}
	var request RevokeManyRequest
	if err := httpd.JSON(c, &request); err != nil {
		return err
	}
	response, err := h.provider.RevokeMany(c.Request().Context(), request)
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, response)
}

func (h handler) revoke(c echo.Context) error {
	if err := h.operator(c); err != nil {
		return err
	}
	var request RevokeRequest
	if c.Request().ContentLength != 0 {
		if err := httpd.JSON(c, &request); err != nil {
			return err
		}
	}
	if err := h.provider.Revoke(c.Request().Context(), c.Param("id"), request); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// bearer returns the token of the one Authorization header, or "".
func bearer(header http.Header) string {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

func (h handler) statusList(c echo.Context) error {
	return statuslist.Respond(c, statusListMaxAge, h.provider.cfg.Now(), func() (statuslist.Publication, error) {
		return h.provider.StatusList(c.Request().Context(), c.Param("id"))
	})
}

// statuses has the status code of each reason.
var statuses = map[Reason]int{
	ReasonInvalidRequest:    http.StatusBadRequest,
	ReasonProofInvalid:      http.StatusBadRequest,
	ReasonChallengeInvalid:  http.StatusBadRequest,
	ReasonKeysInvalid:       http.StatusBadRequest,
	ReasonUnauthorized:      http.StatusUnauthorized,
	ReasonPlatformRefused:   http.StatusForbidden,
	ReasonInstanceRevoked:   http.StatusForbidden,
	ReasonVersionRevoked:    http.StatusForbidden,
	ReasonInstanceUnknown:   http.StatusNotFound,
	ReasonStatusListUnknown: http.StatusNotFound,
	ReasonKeyRegistered:     http.StatusConflict,
}

func encodeError(c echo.Context, err error) {
	var e *Error
	switch {
	case errors.As(err, &e):
		httpd.EncodeProblem(c, &httpd.Error{Status: statuses[e.Reason], Code: string(e.Reason), Description: e.Detail, Cause: e.Cause})
	case errors.Is(err, session.ErrUnavailable), errors.Is(err, database.ErrUnavailable), errors.Is(err, keys.ErrNoSigner),
		errors.Is(err, ErrPlatformUnavailable):
		httpd.EncodeProblem(c, httpd.Unavailable(err))
	default:
		httpd.EncodeProblem(c, err)
	}
}

package verifier

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
)

// authorize lets the relying party through and nobody else.
func (h *handler) authorize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		values := c.Request().Header.Values(echo.HeaderAuthorization)
		scheme, token := "", ""
		if len(values) == 1 {
			scheme, token, _ = strings.Cut(values[0], " ")
		}
		if !strings.EqualFold(scheme, "Bearer") || !h.v.authorized(token) {
			return refuse(CodeUnauthorized, "the relying party's bearer token is needed", nil)
		}
		return next(c)
	}
}

type createBody struct {
	DCQLQuery       json.RawMessage   `json:"dcql_query"`
	RedirectURI     string            `json:"redirect_uri"`
	Flow            Flow              `json:"flow"`
	TransactionData []json.RawMessage `json:"transaction_data"`
}

type createdBody struct {
	ID         string    `json:"id"`
	Link       string    `json:"link"`
	RequestURI string    `json:"request_uri,omitempty"`
	Expires    time.Time `json:"expires_at"`
}

func (h *handler) create(c echo.Context) error {
	var body createBody
	if err := httpd.JSON(c, &body); err != nil {
		return err
	}
	t, err := h.v.Start(c.Request().Context(), StartRequest{
		DCQL: body.DCQLQuery, RedirectURI: body.RedirectURI, Flow: body.Flow, TransactionData: body.TransactionData,
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, h.base+pathTransactions+"/"+t.ID)
	return httpd.WriteJSON(c, http.StatusCreated, createdBody{t.ID, t.Link, t.RequestURI, t.Expires})
}

func (h *handler) result(c echo.Context) error {
	query, err := httpd.Query(c)
	if err != nil {
		return err
	}
	result, err := h.v.Result(c.Request().Context(), c.Param("id"), query.Get(responseCode))
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, result)
}

func (h *handler) cancel(c echo.Context) error {
	if err := h.v.Cancel(c.Request().Context(), c.Param("id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// encodeAPI answers the relying party's program.
func encodeAPI(c echo.Context, err error) {
	var e *Error
	if errors.As(err, &e) && e.Code == CodeUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	httpd.EncodeProblem(c, asHTTP(err))
}

package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/httpd"
)

// authorize lets relying parties through, within their limits, and nobody else.
func (h *handler) authorize(server *httpd.Server) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			ctx := c.Request().Context()
			party, err := h.authenticate(ctx, server, c.Request())
			if err != nil {
				return refuse(CodeUnauthorized, "the relying party's API key or client certificate is needed", err)
			}
			if err := h.v.admit(ctx, party); err != nil {
				return err
			}
			c.Set(partyKey, party)
			return next(c)
		}
	}
}

// authenticate returns the relying party whose request it is. Whatever is shown
// must be right: nothing makes up for a wrong key or certificate.
func (h *handler) authenticate(ctx context.Context, server *httpd.Server, r *http.Request) (*Party, error) {
	var key *string
	if values := r.Header.Values(echo.HeaderAuthorization); len(values) > 0 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return nil, errUnknownKey
		}
		key = &token
	}
	if !h.v.parties.takesCertificates() {
		return h.v.parties.find(ctx, key, nil)
	}
	certificates, err := server.ClientCertificates(r)
	if err != nil {
		return nil, err
	}
	return h.v.parties.find(ctx, key, certificates)
}

// partyKey is where the relying party is kept in the context of its request.
const partyKey = "verifier.party"

func partyOf(c echo.Context) *Party {
	party, _ := c.Get(partyKey).(*Party)
	return party
}

type registrationBody struct {
	ID           string    `json:"id,omitempty"`
	NameJA       string    `json:"name_ja"`
	NameEN       string    `json:"name_en"`
	Flows        []Flow    `json:"flows,omitempty"`
	RedirectURIs []string  `json:"redirect_uris,omitempty"`
	Allowed      []Allowed `json:"allowed,omitempty"`
	MaxOpen      int       `json:"max_open,omitempty"`
	PerMinute    int       `json:"requests_per_minute,omitempty"`
	Encryption   *jose.JWK `json:"encryption_jwk,omitempty"`
	Webhook      string    `json:"webhook_url,omitempty"`
}

// registration tells a relying party what it is registered for.
func (h *handler) registration(c echo.Context) error {
	p := partyOf(c)
	return httpd.WriteJSON(c, http.StatusOK, registrationBody{
		p.ID, p.NameJA, p.NameEN, p.Flows, p.RedirectURIs, p.Allowed, p.MaxOpen, p.PerMinute, p.EncryptionKey, p.Webhook,
	})
}

type createBody struct {
	DCQLQuery       json.RawMessage   `json:"dcql_query"`
	Preset          string            `json:"preset"`
	RedirectURI     string            `json:"redirect_uri"`
	Flow            Flow              `json:"flow"`
	TransactionData []json.RawMessage `json:"transaction_data"`
	Acknowledge     bool              `json:"acknowledge"`
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
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	t, err := h.v.startOnce(c.Request().Context(), partyOf(c), key, StartRequest{
		DCQL: body.DCQLQuery, Preset: body.Preset, RedirectURI: body.RedirectURI, Flow: body.Flow, TransactionData: body.TransactionData, Acknowledge: body.Acknowledge,
	})
	if err != nil {
		return err
	}
	// Relative, because the API may have an origin of its own.
	c.Response().Header().Set(echo.HeaderLocation, h.path+pathTransactions+"/"+t.ID)
	return httpd.WriteJSON(c, http.StatusCreated, createdBody{t.ID, t.Link, t.RequestURI, t.Expires})
}

// idempotencyKey returns what the client sent, or "".
func idempotencyKey(c echo.Context) (string, error) {
	values := c.Request().Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxIdempotencyKey {
		return "", refuse(CodeInvalidRequest, "Idempotency-Key must be there once, with 1 to 255 characters", nil)
	}
	return values[0], nil
}

type presetBody struct {
	ID      string          `json:"id"`
	Title   inLanguages     `json:"title"`
	Purpose *inLanguages    `json:"purpose,omitempty"`
	Query   json.RawMessage `json:"dcql_query"`
}

type inLanguages struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// presets lists the queries with names.
func (h *handler) presets(c echo.Context) error {
	list := []presetBody{}
	for _, p := range h.v.cfg.Presets {
		body := presetBody{ID: p.ID, Title: inLanguages{p.JA, p.EN}, Query: p.Query}
		if p.PurposeJA != "" {
			body.Purpose = &inLanguages{p.PurposeJA, p.PurposeEN}
		}
		list = append(list, body)
	}
	return httpd.WriteJSON(c, http.StatusOK, map[string][]presetBody{"presets": list})
}

func (h *handler) result(c echo.Context) error {
	query, err := httpd.Query(c)
	if err != nil {
		return err
	}
	result, err := h.v.resultFor(c.Request().Context(), partyOf(c), c.Param("id"), query.Get(responseCode))
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, result)
}

func (h *handler) cancel(c echo.Context) error {
	if err := h.v.cancelFor(c.Request().Context(), partyOf(c), c.Param("id")); err != nil {
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

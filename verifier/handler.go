package verifier

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/httpd"
)

// The paths under the verifier's own.
const (
	pathTransactions = "/api/transactions"
	pathRegistration = "/api/registration"
	pathPresets      = "/api/presets"
	pathWebhookKeys  = "/webhooks/jwks"
	pathRequests     = "/requests"
	pathResponses    = "/responses"
	pathStart        = "/start"
	pathPages        = "/transactions"
	pathDone         = "/done"
	pathAssets       = "/assets"
)

const (
	// maxResponse is the largest response of a wallet in bytes: a few
	// credentials with portraits, encrypted.
	maxResponse = 512 << 10
	// maxQuery is the largest body that creates a transaction.
	maxQuery = 80 << 10
)

// handler puts a Verifier on the web.
type handler struct {
	v          *Verifier
	base, path string
	cookie     string
}

// Mount adds the routes of the verifier under path, which is that of its
// BaseURL: empty, or with a leading and without a trailing slash.
func Mount(h *httpd.Server, path string, v *Verifier) {
	own := &handler{v: v, base: v.cfg.BaseURL, path: path, cookie: httpd.CookieName("verifier", v.cfg.Tenant, "session")}

	wallet := h.Echo().Group(path, httpd.Errors(encodeWallet))
	wallet.GET(pathRequests+"/:id", own.request)
	wallet.POST(pathRequests+"/:id", own.requestByPost)
	wallet.POST(pathResponses+"/:id", own.respond, httpd.BodyLimit(maxResponse))

	h.Echo().GET(path+pathWebhookKeys, own.webhookKeys)
	if !v.parties.empty() {
		api := h.Echo().Group(path, httpd.Errors(encodeAPI), own.authorize(h))
		api.GET(pathRegistration, own.registration)
		api.GET(pathPresets, own.presets)
		api.POST(pathTransactions, own.create, httpd.BodyLimit(maxQuery))
		api.GET(pathTransactions+"/:id", own.result)
		api.GET(pathTransactions+"/:id/events", own.events)
		api.DELETE(pathTransactions+"/:id", own.cancel)
	}
	own.mountPages(h, path)
}

func (h *handler) request(c echo.Context) error {
	return h.writeRequest(c, openid4vp.RequestURIPost{})
}

func (h *handler) requestByPost(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	posted, err := openid4vp.ParseRequestURIPost(parameters(form))
	if err != nil {
		return err
	}
	return h.writeRequest(c, posted)
}

func (h *handler) writeRequest(c echo.Context, posted openid4vp.RequestURIPost) error {
	object, err := h.v.RequestObject(c.Request().Context(), c.Param("id"), posted)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, openid4vp.RequestObjectMediaType, []byte(object))
}

func (h *handler) respond(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	reply, err := h.v.Respond(c.Request().Context(), c.Param("id"), parameters(form))
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, reply)
}

// parameters turns a decoded form, in which nothing occurs twice, into what the
// protocol's types read.
func parameters(form httpd.Values) url.Values {
	out := make(url.Values, len(form))
	for name, value := range form {
		out.Set(name, value)
	}
	return out
}

// encodeWallet answers wallets in the form of OAuth.
func encodeWallet(c echo.Context, err error) {
	var protocol *openid4vp.Error
	if errors.As(err, &protocol) {
		err = refuse(CodeInvalidRequest, protocol.Description, protocol.Err)
	}
	httpd.EncodeOAuth(c, asHTTP(err))
}

// asHTTP turns our own errors into answers and leaves others alone.
func asHTTP(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code == CodeUnavailable {
		return httpd.Unavailable(e.Cause)
	}
	return &httpd.Error{Status: e.Status, Code: string(e.Code), Description: e.Description, RetryAfter: e.RetryAfter, Cause: e.Cause}
}

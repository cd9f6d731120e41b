package verifier

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/verifier/web"
)

func (h *handler) mountPages(server *httpd.Server, path string) {
	routes := server.Echo().Group(path, httpd.Errors(h.encodePage), server.SameOrigin())
	routes.GET("/", h.index)
	routes.POST(pathStart, h.start, server.LimitRate())
	routes.GET(pathPages+"/:id", h.wait)
	routes.GET(pathPages+"/:id/events", h.pageEvents)
	routes.GET(pathPages+"/:id/result", h.collect)
	routes.GET(pathDone, h.done)
	routes.GET(pathAssets+"/:name", h.asset)
}

func (h *handler) index(c echo.Context) error {
	data := h.data()
	data.Presets = h.v.cfg.Presets
	return h.render(c, http.StatusOK, web.Start, data)
}

func (h *handler) start(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	t, err := h.v.StartInBrowser(c.Request().Context(), form.Get("preset"), Flow(form.Get("flow")))
	if err != nil {
		return err
	}
	lifetimes := h.v.cfg.Lifetimes
	httpd.SetCookie(c, httpd.Cookie{Name: h.cookie, Value: t.Cookie, Lifetime: lifetimes.Request + lifetimes.Result})
	return c.Redirect(http.StatusSeeOther, h.base+pathPages+"/"+t.ID)
}

func (h *handler) wait(c echo.Context) error {
	id := c.Param("id")
	view, err := h.v.View(c.Request().Context(), h.readCookie(c), id)
	if err != nil {
		return err
	}
	if view.State == StateVerified {
		return c.Redirect(http.StatusSeeOther, h.base+pathPages+"/"+id+"/result")
	}
	if view.State != StateWaiting {
		return h.showResult(c, view.Result)
	}
	data := h.data()
	data.View = view
	// The link starts with what the operator configured, whose scheme the
	// templates do not know.
	data.Link = template.URL(view.Link)
	if view.Flow == CrossDevice {
		code, err := pages.NewQR(view.Link)
		if err != nil {
			return err
		}
		data.QR = code
	}
	return h.render(c, http.StatusOK, web.Wait, data)
}

func (h *handler) collect(c echo.Context) error {
	id := c.Param("id")
	result, err := h.v.Collect(c.Request().Context(), h.readCookie(c), id)
	if err != nil {
		return err
	}
	if result.State == StateWaiting {
		return c.Redirect(http.StatusSeeOther, h.base+pathPages+"/"+id)
	}
	return h.showResult(c, result)
}

// done is where the wallet sends the browser.
func (h *handler) done(c echo.Context) error {
	query, err := httpd.Query(c)
	if err != nil {
		return err
	}
	result, err := h.v.Return(c.Request().Context(), h.readCookie(c), query.Get(responseCode))
	if err != nil {
		return err
	}
	return h.showResult(c, result)
}

func (h *handler) asset(c echo.Context) error {
	content, mediaType, ok := web.Asset(c.Param("name"))
	if !ok {
		return refuse(CodeNotFound, "there is no such file", nil)
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "public, max-age=3600")
	return c.Blob(http.StatusOK, mediaType, content)
}

func (h *handler) readCookie(c echo.Context) string {
	value, _ := httpd.ReadCookie(c, h.cookie)
	return value
}

// pageData is what the templates get.
type pageData struct {
	Base           string
	NameJA, NameEN string
	TestMode       bool
	Presets        []Preset
	View           *View
	Link           template.URL
	QR             *pages.QR
	Result         *Result
	Shown          []shown
	Error          string
	Description    string
	OtherSession   bool
}

// shown is a credential with its claims as people read them.
type shown struct {
	Credential
	Claims []web.Claim
}

func (h *handler) data() pageData {
	cfg := &h.v.cfg
	return pageData{Base: h.base, NameJA: cfg.NameJA, NameEN: cfg.NameEN, TestMode: cfg.TestMode}
}

func (h *handler) showResult(c echo.Context, r *Result) error {
	data := h.data()
	data.Result = r
	for _, credential := range r.Credentials {
		claims, err := web.Flatten(credential.QueryID, credential.Claims)
		if err != nil {
			return err
		}
		data.Shown = append(data.Shown, shown{credential, claims})
	}
	return h.render(c, http.StatusOK, web.Result, data)
}

func (h *handler) render(c echo.Context, status int, page web.Page, data pageData) error {
	html, err := page.Render(data)
	if err != nil {
		return err
	}
	return c.HTMLBlob(status, html)
}

// encodePage answers browsers.
func (h *handler) encodePage(c echo.Context, err error) {
	var e *Error
	other := errors.As(err, &e) && e.Code == CodeOtherSession
	answer := httpd.AsError(asHTTP(err))
	httpd.NoteError(c, answer)
	data := h.data()
	data.Error, data.Description, data.OtherSession = answer.Code, answer.Description, other
	if renderErr := h.render(c, answer.Status, web.Error, data); renderErr != nil {
		httpd.EncodeProblem(c, renderErr)
	}
}

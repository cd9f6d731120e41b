package oauth

import (
	"cmp"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/web"
)

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

// names returns what people read of the issuer.
func (s *Server) names() (ja, en string) {
	en = s.cfg.Name["en"]
	ja = cmp.Or(s.cfg.Name["ja"], en, s.cfg.Issuer)
	if en == ja {
		en = ""
	}
	return ja, en
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

// data is what the pages show of a login, with the link for an app on the
// device.
func (h *Handler) data(view *View, device evidence.Device) pageData {
	data := pageData{
		View: view, ChallengeText: string(view.Challenges[evidence.SameDevice]),
		OtherText:   string(view.Challenges[evidence.OtherDevice]),
		OtherBase64: base64.StdEncoding.EncodeToString(view.Challenges[evidence.OtherDevice]),
	}
	if secret := view.Signings[device]; secret != "" {
		// The link begins with what the operator configured, whose scheme the
		// templates do not know.
		data.SignerLink = template.URL(h.signerLink(secret)) //nolint:gosec // not from outside
	}
	return data
}

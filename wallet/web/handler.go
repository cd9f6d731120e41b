package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/wallet/holder"
)

// The paths of the pages. An issuer is told PathOffer as the wallet's offer
// endpoint and PathCallback as its redirect URI, a verifier PathAuthorize as its
// authorization endpoint.
const (
	PathOffer     = "/credential-offer"
	PathCallback  = "/callback"
	PathAuthorize = "/authorize"
	pathFlows     = "/flows"
)

type handler struct {
	wallet Wallet
	flows  *flows
	origin string
	cookie string
}

// Mount adds the pages of the wallet. Whoever can open them is the person whose
// wallet it is. The function that it returns ends what is going on.
func Mount(server *httpd.Server, w Wallet) (stop func()) {
	h := &handler{
		wallet: w, flows: &flows{now: w.Now}, origin: server.Origin(),
		cookie: httpd.CookieName("wallet", "person", "flow"),
	}
	routes := server.Echo().Group("", httpd.Errors(h.encodeError), server.SameOrigin())
	routes.GET("/", h.home)
	routes.POST("/open", h.openLink)
	routes.POST("/ask", h.askIssuer)
	routes.POST("/check", h.check)
	routes.GET("/credentials/:id", h.credential)
	routes.POST("/credentials/:id/forget", h.forget)
	routes.GET("/log", h.log)
	routes.POST("/log/delete", h.deleteLog)
	routes.GET(PathOffer, h.readOffer)
	routes.POST(pathFlows+"/:id/accept", h.accept)
	routes.GET(PathCallback, h.callback)
	routes.GET(PathAuthorize, h.present)
	routes.POST(pathFlows+"/:id/decision", h.decide)
	routes.GET(pathFlows+"/:id", h.flow)
	routes.GET("/assets/:name", asset)
	return h.flows.stopAll
}

// openLink takes a link that the person pasted.
func (h *handler) openLink(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	link := form.Get("link")
	if isOffer(link) {
		return h.startOffer(c, link)
	}
	return h.startPresentation(c, link)
}

// askIssuer begins without an offer.
func (h *handler) askIssuer(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	offer, err := h.wallet.AskIssuer(c.Request().Context(), strings.TrimSpace(form.Get("issuer")))
	if err != nil {
		return refused(err)
	}
	f := h.flows.add(offer)
	f.chosen = true
	return h.show(c, f)
}

// readOffer is where issuers send people with an offer.
func (h *handler) readOffer(c echo.Context) error {
	return h.startOffer(c, "openid-credential-offer://?"+c.Request().URL.RawQuery)
}

func (h *handler) startOffer(c echo.Context, link string) error {
	offer, err := h.wallet.ReadOffer(c.Request().Context(), link)
	if err != nil {
		return refused(err)
	}
	return h.show(c, h.flows.add(offer))
}

// accept begins to take an offer.
func (h *handler) accept(c echo.Context) error {
	f, form, err := h.flowForm(c)
	if err != nil {
		return err
	}
	if f.offer == nil {
		return notFound()
	}
	if f.chosen && !f.hasBegun() {
		if err := f.choose(form); err != nil {
			return refused(err)
		}
	}
	f.setTxCode(form.Get("tx_code"))
	first := f.begin(func(ctx context.Context) (err error) {
		f.received, err = h.wallet.Receive(ctx, f.offer, f)
		return err
	})
	if !first {
		return h.show(c, f)
	}
	select {
	case address := <-f.visit:
		httpd.SetCookie(c, httpd.Cookie{Name: h.cookie, Value: f.id, Lifetime: flowLifetime})
		return h.leave(c, address)
	case <-f.done:
	case <-c.Request().Context().Done():
	}
	return h.show(c, f)
}

// choose takes what the person ticked, everything where there is nothing to tick.
func (f *flow) choose(form httpd.Values) error {
	ids := configurationIDs(f.offer)
	if len(ids) == 1 {
		return nil
	}
	var ticked []string
	for n, id := range ids {
		if form.Get("want_"+strconv.Itoa(n)) != "" {
			ticked = append(ticked, id)
		}
	}
	return f.offer.Choose(ticked...)
}

// leave shows a page that goes on to another origin: a form may not be redirected
// there.
func (h *handler) leave(c echo.Context, address string) error {
	return h.render(c, http.StatusOK, pageLeave, pageData{Next: address})
}

// callback is where the issuer sends the browser back to.
func (h *handler) callback(c echo.Context) error {
	id, _ := httpd.ReadCookie(c, h.cookie)
	f := h.flows.get(id)
	if f == nil || f.offer == nil {
		return notFound()
	}
	httpd.ClearCookie(c, h.cookie)
	select {
	case f.callback <- h.origin + c.Request().URL.RequestURI():
	default: // a second one; the first counts
	}
	return h.finish(c, f)
}

// present is where verifiers send people.
func (h *handler) present(c echo.Context) error {
	return h.startPresentation(c, h.origin+c.Request().URL.RequestURI())
}

func (h *handler) startPresentation(c echo.Context, link string) error {
	f := h.flows.add(nil)
	f.begin(func(ctx context.Context) (err error) {
		f.outcome, err = h.wallet.Present(ctx, link, f.consent)
		return err
	})
	select {
	case ask := <-f.ask:
		f.ask <- ask // for the page
	case <-f.done:
	case <-c.Request().Context().Done():
	}
	return h.show(c, f)
}

func (h *handler) decide(c echo.Context) error {
	f, form, err := h.flowForm(c)
	if err != nil {
		return err
	}
	if f.wanted() == nil {
		return notFound()
	}
	decision := decisionOf(form.Get("decision"), form.Get("without_optional"))
	select {
	case f.decision <- decision:
	default: // a second press
	}
	return h.finish(c, f)
}

// finish waits for the end and shows it.
func (h *handler) finish(c echo.Context, f *flow) error {
	select {
	case <-f.done:
	case <-c.Request().Context().Done():
	}
	return h.show(c, f)
}

func (h *handler) flowForm(c echo.Context) (*flow, httpd.Values, error) {
	f := h.flows.get(c.Param("id"))
	if f == nil {
		return nil, nil, notFound()
	}
	form, err := httpd.Form(c)
	return f, form, err
}

// show sends the browser to the page of a flow, so that pressing reload repeats
// nothing.
func (h *handler) show(c echo.Context, f *flow) error {
	return c.Redirect(http.StatusSeeOther, pathFlows+"/"+f.id)
}

func (h *handler) flow(c echo.Context) error {
	f := h.flows.get(c.Param("id"))
	if f == nil {
		return notFound()
	}
	page, data := describe(f)
	return h.render(c, http.StatusOK, page, data)
}

func (h *handler) home(c echo.Context) error {
	held, err := h.wallet.List(c.Request().Context())
	if err != nil {
		return err
	}
	return h.render(c, http.StatusOK, pageHome, pageData{Batches: holder.Batches(held)})
}

// check is the upkeep that the person asks for.
func (h *handler) check(c echo.Context) error {
	if _, err := h.wallet.Upkeep(c.Request().Context()); err != nil {
		return refused(err)
	}
	return c.Redirect(http.StatusSeeOther, "/")
}

func (h *handler) credential(c echo.Context) error {
	held, err := h.wallet.List(c.Request().Context())
	if err != nil {
		return err
	}
	for _, b := range holder.Batches(held) {
		if b.Batch == c.Param("id") {
			return h.render(c, http.StatusOK, pageCredential, pageData{Batches: []holder.Batch{b}, Claims: flatten(b.Held)})
		}
	}
	return notFound()
}

func (h *handler) forget(c echo.Context) error {
	if err := h.wallet.Forget(c.Request().Context(), c.Param("id")); err != nil {
		return refused(err)
	}
	return c.Redirect(http.StatusSeeOther, "/")
}

func (h *handler) log(c echo.Context) error {
	entries, err := h.wallet.Log(c.Request().Context())
	if err != nil {
		return err
	}
	return h.render(c, http.StatusOK, pageLog, pageData{Log: entries})
}

func (h *handler) deleteLog(c echo.Context) error {
	if err := h.wallet.DeleteLog(c.Request().Context()); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/log")
}

func (h *handler) render(c echo.Context, status int, p page, data pageData) error {
	html, err := p.render(data)
	if err != nil {
		return err
	}
	return c.HTMLBlob(status, html)
}

func asset(c echo.Context) error {
	content, mediaType, ok := assetNamed(c.Param("name"))
	if !ok {
		return notFound()
	}
	return c.Blob(http.StatusOK, mediaType, content)
}

func notFound() error {
	return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "there is no such page, or it has expired"}
}

// refused tells the person, whose own wallet it is, what went wrong.
func refused(err error) error {
	return &httpd.Error{Status: http.StatusBadRequest, Code: httpd.CodeInvalidRequest, Description: err.Error(), Cause: errors.New("refused")}
}

func (h *handler) encodeError(c echo.Context, err error) {
	answer := httpd.AsError(err)
	httpd.NoteError(c, answer)
	if renderErr := h.render(c, answer.Status, pageError, pageData{Error: answer.Description}); renderErr != nil {
		httpd.EncodeProblem(c, renderErr)
	}
}

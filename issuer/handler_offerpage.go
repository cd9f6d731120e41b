package issuer

import (
	"errors"
	"html/template"
	"maps"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/web"
)

// offerPage is what the page of an offer shows.
type offerPage struct {
	oauth.Frame
	Issuer string
	// Names are of what is offered, by language tag.
	Names []map[string]string
	// Link opens a wallet on the same device, and QR is the link for another.
	Link template.URL
	QR   *pages.QR
	// TxCode says that the wallet will ask for a transaction code.
	TxCode bool
}

// offerPage shows a person an offer that was made by reference. Whoever has the
// address could take the offer itself, so the page tells them nothing new; the
// transaction code is not on it.
func (x *handler) offerPage(c echo.Context) error {
	query, err := httpd.Query(c)
	if err != nil {
		return err
	}
	scheme, ok := offerSchemes[query.Get("scheme")]
	if !ok {
		return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "no such offer, or it has expired"}
	}
	id := c.Param("id")
	offer, err := x.issuer.OfferDocument(c.Request().Context(), id)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "no such offer, or it has expired"}
	case err != nil:
		return httpd.Unavailable(err)
	}
	link, err := x.issuer.reference(id).String(scheme)
	if err != nil {
		return err
	}
	data := offerPage{
		Frame: x.pages.Frame(), Issuer: x.issuer.cfg.ID,
		Link:   template.URL(link), //nolint:gosec // its scheme is one of two, which the templates do not know
		TxCode: offer.Grants != nil && offer.Grants.PreAuthorizedCode != nil,
	}
	for _, configuration := range offer.ConfigurationIDs {
		known, ok := x.issuer.configuration(configuration)
		if !ok {
			continue
		}
		// To people, a type in two formats is one.
		if names := textsByLocale(known.Name); !slices.ContainsFunc(data.Names, func(other map[string]string) bool { return maps.Equal(other, names) }) {
			data.Names = append(data.Names, names)
		}
	}
	if data.QR, err = pages.NewQR(link); err != nil {
		return err
	}
	html, err := web.Offer.Render(data)
	if err != nil {
		return err
	}
	return c.HTMLBlob(http.StatusOK, html)
}

package issuer

import (
	"encoding/json"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/catalogue"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/web"
)

// offerRequest is what the operator posts.
type offerRequest struct {
	ConfigurationIDs []string `json:"credential_configuration_ids"`
	// Grant is authorization_code, which it is if empty, or
	// pre-authorized_code.
	Grant       string          `json:"grant"`
	Person      json.RawMessage `json:"person"`
	TxCode      *txCodeRequest  `json:"tx_code"`
	ByReference bool            `json:"by_reference"`
	// Scheme is a key of offerSchemes.
	Scheme string `json:"scheme"`
}

// offerSchemes are those of links to wallets, by their names. The first of them
// need not be named.
var offerSchemes = map[string]string{
	"": openid4vci.SchemeOffer, "openid-credential-offer": openid4vci.SchemeOffer, "haip-vci": openid4vci.SchemeHAIP,
}

type txCodeRequest struct {
	Length int `json:"length"`
}

// person is what the operator states of somebody.
type person struct {
	Name      string  `json:"name"`
	Address   string  `json:"address"`
	BirthDate *string `json:"birth_date"`
	Sex       int     `json:"sex"`
}

type offerResponse struct {
	Offer *openid4vci.CredentialOffer `json:"credential_offer"`
	// Link opens a wallet with the offer in it, or with its address.
	Link string `json:"link"`
	// Page shows the link, for an offer that was made by reference.
	Page string `json:"page,omitempty"`
	// TxCode is shown this once.
	TxCode string `json:"tx_code,omitempty"`
	// ExpiresIn is in seconds.
	ExpiresIn int `json:"expires_in"`
}

func (x *handler) makeOffer(c echo.Context) error {
	if err := x.admin(c); err != nil {
		return err
	}
	var posted offerRequest
	if err := httpd.JSON(c, &posted); err != nil {
		return err
	}
	request, err := posted.read()
	if err != nil {
		return err
	}
	made, err := x.issuer.Offer(c.Request().Context(), x.codes, *request)
	switch {
	case errors.Is(err, ErrUnknownConfiguration):
		return badOffer(ReasonUnknownConfiguration, "name credential configurations of this issuer, each once")
	case errors.Is(err, ErrTxCodeLength):
		return badOffer(httpd.CodeInvalidRequest, txCodeLength)
	case errors.Is(err, source.ErrUnusable), errors.Is(err, source.ErrAmbiguous), errors.Is(err, catalogue.ErrIncomplete):
		return badOffer(ReasonUnusablePerson, err.Error())
	case err != nil:
		return httpd.Unavailable(err)
	}
	return httpd.WriteJSON(c, http.StatusCreated, offerResponse{
		Offer: made.Offer, Link: made.Link, Page: made.Page, TxCode: made.TxCode, ExpiresIn: int(made.Lifetime / time.Second),
	})
}

const txCodeLength = "the length of tx_code must be 6 to 12"

func badOffer(reason, description string) error {
	return &httpd.Error{Status: http.StatusBadRequest, Code: reason, Description: description}
}

// read checks what depends on the grant. What belongs to the other grant is
// refused, because the operator would wait for it in vain.
func (r *offerRequest) read() (*OfferRequest, error) {
	scheme, ok := offerSchemes[r.Scheme]
	if !ok {
		return nil, badOffer(httpd.CodeInvalidRequest, "scheme must be openid-credential-offer or haip-vci")
	}
	out := &OfferRequest{Configurations: r.ConfigurationIDs, ByReference: r.ByReference, Scheme: scheme}
	switch r.Grant {
	case "", "authorization_code":
		if r.Person != nil || r.TxCode != nil {
			return nil, badOffer(httpd.CodeInvalidRequest, "person and tx_code belong to the grant pre-authorized_code")
		}
		return out, nil
	case "pre-authorized_code":
	default:
		return nil, badOffer(httpd.CodeInvalidRequest, "grant must be authorization_code or pre-authorized_code")
	}
	if r.TxCode != nil {
		if out.TxCodeLength = r.TxCode.Length; out.TxCodeLength == 0 {
			return nil, badOffer(httpd.CodeInvalidRequest, txCodeLength)
		}
	}
	var err error
	out.Person, err = readPerson(r.Person)
	return out, err
}

// readPerson accepts no member that it does not know: the operator would find
// it missing in the credential, and some, such as the Individual Number, must
// not be sent here. Causes stay out of the log, because they quote.
func readPerson(data json.RawMessage) (*source.Person, error) {
	var members map[string]json.RawMessage
	var p person
	if jose.UnmarshalJSON(data, &members) != nil || jose.UnmarshalJSON(data, &p) != nil || members == nil {
		return nil, badOffer(httpd.CodeInvalidRequest, "person must be an object with a name")
	}
	for name := range members {
		switch name {
		case "name", "address", "birth_date", "sex":
		default:
			return nil, badOffer(httpd.CodeInvalidRequest, "person has a member other than name, address, birth_date and sex")
		}
	}
	out := &source.Person{Name: p.Name, Address: p.Address, Sex: p.Sex}
	if p.BirthDate != nil {
		date, err := credentials.ParseFullDate(*p.BirthDate)
		if err != nil {
			return nil, badOffer(httpd.CodeInvalidRequest, "birth_date must be a date, YYYY-MM-DD")
		}
		out.BirthDate = &date
	}
	return out, nil
}

// offer gives a wallet an offer that was made by reference (OpenID4VCI 1.0
// section 4.1.3).
func (x *handler) offer(c echo.Context) error {
	offer, err := x.issuer.OfferDocument(c.Request().Context(), c.Param("id"))
	switch {
	case errors.Is(err, session.ErrNotFound):
		return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "no such offer, or it has expired"}
	case err != nil:
		return httpd.Unavailable(err)
	}
	return httpd.WriteJSON(c, http.StatusOK, offer)
}

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

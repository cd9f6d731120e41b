package issuer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/source"
)

// The lengths of a transaction code. Five attempts at six digits find one code
// in 200,000.
const (
	MinTxCode     = 6
	MaxTxCode     = 12
	DefaultTxCode = MinTxCode
)

// txDescription is what the wallet shows where the transaction code is typed.
const txDescription = "別にお知らせした番号 / the number that you were told separately"

// offer is what an issuer_state stands for. It only links a request to an
// offer and authenticates nobody: who the person is, the evidence says.
type offer struct{ Configurations []string }

// Errors of [Issuer.Offer] that the operator is told apart.
var (
	// ErrUnknownConfiguration says that an offer names what the issuer does not
	// have.
	ErrUnknownConfiguration = errors.New("unknown credential configuration")
	// ErrTxCodeLength says that a transaction code shall be too short to be
	// safe or too long to be typed.
	ErrTxCodeLength = errors.New("a transaction code has 6 to 12 digits")
)

// PreAuthorizer makes pre-authorized codes. [oauth.Server] is one.
type PreAuthorizer interface {
	PreAuthorize(ctx context.Context, p oauth.PreAuthorization) (code string, expires time.Time, err error)
}

// OfferRequest says what offer the operator wants.
type OfferRequest struct {
	Configurations []string
	// Scheme begins the link: [openid4vci.SchemeOffer], which it is if empty, or
	// [openid4vci.SchemeHAIP].
	Scheme string
	// ByReference has the link name an address of the issuer under which the
	// wallet gets the offer, and there is a page that shows it.
	ByReference bool
	// Person, if not nil, is whom the issuer's staff have identified. The offer
	// is then for the pre-authorized code flow.
	Person *source.Person
	// TxCodeLength is the number of digits of the transaction code of such an
	// offer, 0 for the default.
	TxCodeLength int
}

// Offered is an offer that was made.
type Offered struct {
	Offer *openid4vci.CredentialOffer
	// Link opens a wallet with the offer.
	Link string
	// Page is the address of a page with the link and a QR code of it, or empty
	// if the offer is in the link itself.
	Page string
	// TxCode is what the person types into the wallet, or empty. It must reach
	// them by another way than the offer.
	TxCode string
	// Lifetime is how long the offer can be taken.
	Lifetime time.Duration
}

// Offer makes a credential offer (OpenID4VCI 1.0 section 4.1.1): for the
// authorization code flow, or with a code from codes if staff vouch for a
// person. Such a code always needs a transaction code: an offer is easily seen
// by others (section 13.6.1).
//
// Errors are [ErrUnknownConfiguration], [ErrTxCodeLength], those that wrap
// source.ErrUnusable, source.ErrAmbiguous, source.ErrUnavailable or
// [catalogue.ErrIncomplete], and those of the session store.
func (i *Issuer) Offer(ctx context.Context, codes PreAuthorizer, r OfferRequest) (*Offered, error) {
	if err := i.checkOffered(r.Configurations); err != nil {
		return nil, err
	}
	o := &Offered{
		Offer:    &openid4vci.CredentialOffer{CredentialIssuer: i.cfg.ID, ConfigurationIDs: r.Configurations},
		Lifetime: i.cfg.OfferLifetime,
	}
	grant := i.offerLogin
	if r.Person != nil {
		grant = func(ctx context.Context, r OfferRequest, o *Offered) error { return i.preAuthorize(ctx, codes, r, o) }
	}
	if err := grant(ctx, r, o); err != nil {
		return nil, err
	}
	link, scheme := openid4vci.OfferLink{Offer: o.Offer}, cmp.Or(r.Scheme, openid4vci.SchemeOffer)
	if r.ByReference {
		id := rand.Text() // 130 bits
		if err := i.documents.PutUntil(ctx, id, *o.Offer, i.cfg.Now().Add(o.Lifetime)); err != nil {
			return nil, err
		}
		link = i.reference(id)
		o.Page = link.URI + pathOfferPage
		if scheme != openid4vci.SchemeOffer {
			o.Page += "?scheme=" + strings.TrimSuffix(scheme, "://")
		}
	}
	var err error
	o.Link, err = link.String(scheme)
	return o, err
}

// reference is the link to an offer that was made by reference.
func (i *Issuer) reference(id string) openid4vci.OfferLink {
	return openid4vci.OfferLink{URI: i.cfg.ID + strings.Replace(pathOffer, ":id", id, 1)}
}

func (i *Issuer) checkOffered(configurations []string) error {
	if len(configurations) == 0 {
		return ErrUnknownConfiguration
	}
	seen := map[string]bool{}
	for _, id := range configurations {
		if _, ok := i.configuration(id); !ok || seen[id] {
			return ErrUnknownConfiguration
		}
		seen[id] = true
	}
	return nil
}

// offerLogin adds the grant with which the person proves who they are.
func (i *Issuer) offerLogin(ctx context.Context, r OfferRequest, o *Offered) error {
	state := rand.Text()
	if err := i.offers.Put(ctx, state, offer{Configurations: r.Configurations}); err != nil {
		return err
	}
	o.Offer.Grants = &openid4vci.Grants{AuthorizationCode: &openid4vci.AuthorizationCodeGrant{IssuerState: state}}
	return nil
}

// preAuthorize adds the grant that is as good as the person's proof.
func (i *Issuer) preAuthorize(ctx context.Context, codes PreAuthorizer, r OfferRequest, o *Offered) error {
	if r.TxCodeLength == 0 {
		r.TxCodeLength = DefaultTxCode
	}
	if r.TxCodeLength < MinTxCode || r.TxCodeLength > MaxTxCode {
		return ErrTxCodeLength
	}
	now := i.cfg.Now()
	vouched := evidence.BackOffice(now)
	person, err := source.Stated(*r.Person, i.today())
	if err != nil {
		return err
	}
	if person, err = i.complete(ctx, vouched, person, r.Configurations); err != nil {
		return err
	}
	if o.TxCode, err = digits(r.TxCodeLength); err != nil {
		return err
	}
	code, expires, err := codes.PreAuthorize(ctx, oauth.PreAuthorization{
		Configurations: r.Configurations, Evidence: vouched, Person: person, TxCode: o.TxCode,
	})
	if err != nil {
		return err
	}
	o.Lifetime = expires.Sub(now)
	o.Offer.Grants = &openid4vci.Grants{PreAuthorizedCode: &openid4vci.PreAuthorizedCodeGrant{
		Code:   code,
		TxCode: &openid4vci.TxCode{InputMode: openid4vci.InputNumeric, Length: r.TxCodeLength, Description: txDescription},
	}}
	return nil
}

// digits returns n random decimal digits.
func digits(n int) (string, error) {
	out := make([]byte, n)
	for k := range out {
		d, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			return "", err
		}
		out[k] = byte('0' + d.Int64())
	}
	return string(out), nil
}

// OfferDocument returns an offer that was made by reference, as often as it is
// asked for: however often it is fetched, there is only the one code in it. It
// returns session.ErrNotFound if there is none or it has expired.
func (i *Issuer) OfferDocument(ctx context.Context, id string) (*openid4vci.CredentialOffer, error) {
	o, _, err := i.documents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// Offers returns the open offers as the authorization server sees them.
func (i *Issuer) Offers() oauth.Offers { return openOffers{i.offers} }

type openOffers struct{ *session.Objects[offer] }

func (o openOffers) Open(ctx context.Context, issuerState string) ([]string, error) {
	found, _, err := o.Get(ctx, issuerState)
	if err != nil {
		return nil, err
	}
	return found.Configurations, nil
}

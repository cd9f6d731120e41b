package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/nonce"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// Configuration is what the authorization server needs to know of a
// credential configuration.
type Configuration struct {
	ID    string
	Scope string
	// Name is shown on the pages, by language tag.
	Name map[string]string
}

// Prover checks a person's answer to a challenge. [evidence.JPKI] is one.
type Prover interface {
	// Verify returns errors that wrap evidence.ErrRefused or
	// evidence.ErrUnavailable.
	Verify(ctx context.Context, c evidence.Challenge, answer evidence.Answer) (*evidence.Evidence, error)
}

// StatusChecker resolves status references; [*status.Checker] is one.
type StatusChecker interface {
	Check(ctx context.Context, ref credentials.StatusRef) (status.Result, error)
}

// Source says what is known of a person, and what becomes of it.
type Source interface {
	// Person returns what credentials of the configurations are made of. Errors
	// wrap source.ErrUnavailable if it can't be found out now; all others say
	// that no such credentials can be made.
	Person(ctx context.Context, e *evidence.Evidence, configurations []string) (*source.Person, error)
	// StillTrue asks again for what registers said in p of the person, before
	// credentials of the configurations are made of it once more. Errors wrap
	// source.ErrUnavailable if it can't be found out now; all others say that the
	// person has to agree to something else.
	StillTrue(ctx context.Context, e *evidence.Evidence, p *source.Person, configurations []string) error
	// Review returns what a credential of the configuration will say.
	Review(p *source.Person, configuration string) ([]Line, error)
}

// Grants is the durable side: what a token stands for. The limit on how often
// a credential comes out of a grant is enforced where credentials are issued.
type Grants interface {
	// Start records a grant before its token is handed out, and returns its
	// refresh token if it has Claims. It returns an error that wraps
	// ErrGrantExists if there is one with this ID, and ErrGrantRefused if the
	// evidence no longer holds.
	Start(ctx context.Context, g Grant) (refreshToken string, err error)
	// Claims returns those of the grant of a refresh token, and its ID. It
	// returns an error that wraps ErrGrantRefused if there is none, or it has
	// ended.
	Claims(ctx context.Context, refreshToken string) (id string, claims []byte, err error)
	// Refresh checks that the evidence of a grant still holds and returns the
	// ID under which credentials are counted now. If the evidence doesn't, the
	// grant ends, and the error wraps ErrGrantRefused.
	Refresh(ctx context.Context, id string, e *evidence.Evidence) (countedAs string, err error)
	// End ends a grant. What was issued under it stays. Ending twice is no
	// error.
	End(ctx context.Context, id string) error
	// Revoke ends a grant and invalidates what was issued under it. Revoking
	// twice is no error.
	Revoke(ctx context.Context, id string) error
}

// ErrGrantExists says that the code of a grant has been used, whatever the
// session store remembers.
var ErrGrantExists = errors.New("grant exists")

// ErrGrantRefused says that there is no such grant any more, or that its evidence
// was found revoked after the person had agreed.
var ErrGrantRefused = errors.New("grant refused")

// Grant is a person's agreement.
type Grant struct {
	// ID is derived from the authorization code or the pre-authorized code.
	ID             string
	Configurations []string
	Evidence       *evidence.Evidence
	Expires        time.Time
	// Claims, if not nil, are sealed in the grant, so that its refresh token
	// alone opens them.
	Claims []byte
}

// Offers knows the credential offers that are open.
type Offers interface {
	// Open returns the configurations of the offer with the given
	// issuer_state, or an error that wraps session.ErrNotFound.
	Open(ctx context.Context, issuerState string) ([]string, error)
}

// TestCards signs challenges on the server for test persons. It exists in mode
// test only.
type TestCards interface {
	// Persons lists identifiers with what the page shows for each.
	Persons() []TestPerson
	// Sign returns the DER certificate and the signature of a person's card.
	Sign(ctx context.Context, person string, challenge []byte) (certificate, signature []byte, err error)
	// Card returns a person's card with its keys in JSON, for a signer app that
	// plays with it, or an error that wraps ErrNoTestPerson.
	Card(ctx context.Context, person string) ([]byte, error)
}

// ErrNoTestPerson says that there is no such test person.
var ErrNoTestPerson = errors.New("no such test person")

// TestPerson is an entry of the test login.
type TestPerson struct{ ID, Label string }

// Lifetimes bounds what is handed out.
type Lifetimes struct {
	// Request is from the pushed request to the first visit.
	Request time.Duration
	// Login is for the pages, from the first visit.
	Login time.Duration
	// Challenge is for signing, within the login.
	Challenge time.Duration
	Code      time.Duration
	// PreAuthorized is for a pre-authorized code, from when it was made until
	// the wallet has come with it.
	PreAuthorized time.Duration
	Token         time.Duration
	// Refresh is for a refresh token, from when the person agreed; zero gives
	// none out.
	Refresh time.Duration
}

// DefaultLifetimes are those that the documentation names.
var DefaultLifetimes = Lifetimes{
	Request:       60 * time.Second,
	Login:         10 * time.Minute,
	Challenge:     5 * time.Minute,
	Code:          60 * time.Second,
	PreAuthorized: 5 * time.Minute,
	Token:         5 * time.Minute,
}

// Config is what a [Server] is made of. Every field is needed unless it says
// otherwise.
type Config struct {
	// Issuer is the issuer identifier of the authorization server, which is
	// also the credential issuer identifier.
	Issuer string
	// Name is what people read of the issuer, by language tag, ja and en. Where
	// one is missing the other stands for it, and the identifier for both.
	Name           map[string]string
	Configurations []Configuration
	Sessions       *session.Store
	// Attesters validates the certificates of wallet providers. It may be nil
	// where every registered wallet has keys.
	Attesters *trust.Policy
	// Wallets are the clients that may ask for credentials. Empty lets every
	// attested wallet in and lets it name where the person returns to, which is
	// for mode test alone: see [Wallet].
	Wallets []Wallet
	// AttestationStatus resolves the status of attestations that have one.
	AttestationStatus StatusChecker
	Prover            Prover
	// Authenticator lets people link their authentication certificate and come
	// back with it; nil for nobody.
	Authenticator Authenticator
	Source        Source
	Grants        Grants
	Offers        Offers
	// FrontDoor proves who people are in place of their signature; nil for
	// nobody.
	FrontDoor FrontDoor
	// OtherDevice allows signing on another device than that of the browser,
	// with a code or the signature itself carried over by the person. Whoever
	// can talk others into signing can then pass for them, so it is recorded
	// as evidence of its own kind.
	OtherDevice bool
	// SignerURL is what a link to the signer app begins with: a scheme of its
	// own, such as tegata-sign://, or an https URL that the app has claimed,
	// which no other app can take. Empty means [DefaultSignerURL].
	SignerURL string
	// DPoPNonces, if set, are demanded in DPoP proofs (RFC 9449 sections 8 and
	// 9), so that none can be signed long before it is used.
	DPoPNonces *nonce.Nonces
	// AttestationChallenges, if set, are demanded in proofs of possession of
	// attested keys (draft-ietf-oauth-attestation-based-client-auth section 6).
	// They show that a proof is fresh; that it is used once, its jti does.
	AttestationChallenges *nonce.Nonces
	// TestCards is nil except in mode test.
	TestCards TestCards
	Lifetimes Lifetimes
	Now       func() time.Time
}

// Server is an authorization server for one credential issuer.
type Server struct {
	cfg      Config
	requests *session.Objects[pushedRequest]
	logins   *session.Objects[login]
	codes    *session.Objects[code]
	offered  *session.Objects[preAuthorized]
	tokens   *session.Objects[Access]
	signings *session.Objects[signing]
}

// New returns the authorization server.
func New(cfg Config) *Server {
	l := cfg.Lifetimes
	return &Server{
		cfg:      cfg,
		requests: session.NewObjects[pushedRequest](cfg.Sessions, "par", l.Request+l.Login),
		logins:   session.NewObjects[login](cfg.Sessions, "login", l.Login),
		codes:    session.NewObjects[code](cfg.Sessions, "code", l.Code),
		offered:  session.NewObjects[preAuthorized](cfg.Sessions, "preauth", l.PreAuthorized),
		tokens:   session.NewObjects[Access](cfg.Sessions, "token", l.Token),
		signings: session.NewObjects[signing](cfg.Sessions, "signing", l.Challenge),
	}
}

func (s *Server) configuration(id string) (Configuration, bool) {
	for _, c := range s.cfg.Configurations {
		if c.ID == id {
			return c, true
		}
	}
	return Configuration{}, false
}

// newSecret returns 256 random bits in base64url.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return jose.EncodeBase64(b[:])
}

// publicID names a secret where it may be seen, in a challenge or a row.
func publicID(purpose, secret string) string {
	sum := sha256.Sum256([]byte(purpose + "\x00" + secret))
	return jose.EncodeBase64(sum[:16])
}

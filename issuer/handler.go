package issuer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/web"
)

// Reasons of the operator's API, in problem documents.
const (
	ReasonUnauthorized         = "unauthorized"
	ReasonUnknownConfiguration = "unknown_configuration"
	ReasonUnusablePerson       = "unusable_person"
	ReasonDecided              = "decided"
)

type handler struct {
	issuer     *Issuer
	authorizer Authorizer
	codes      PreAuthorizer
	pages      *oauth.Handler
	// adminToken is the SHA-256 of the operator's token.
	adminToken [sha256.Size]byte
}

// Mount adds the issuer's routes and those of its authorization server under
// path, which is that of the issuer identifier.
func Mount(h *httpd.Server, path string, i *Issuer, server *oauth.Server, adminToken []byte) {
	pages := oauth.Mount(h, path, i.cfg.Tenant, server)
	asMetadata := server.Metadata(pages.Endpoints())
	asMetadata.StatusListAggregationEndpoint = i.cfg.ID + PathStatusLists
	x := &handler{
		issuer: i, authorizer: server, codes: server, pages: pages,
		adminToken: sha256.Sum256(adminToken),
	}

	public := h.Echo().Group("", httpd.CORS())
	public.GET(openid4vci.WellKnownIssuer+path, x.metadata)
	public.GET("/.well-known/oauth-authorization-server"+path, document(asMetadata))
	if _, ok := i.cfg.Signers[credentials.FormatSDJWTVC]; ok {
		public.GET(sdjwt.IssuerMetadataPath+path, x.vcIssuer)
	}
	public.GET(path+pathType, x.typeMetadata)
	public.GET(path+pathTypeDigest, x.typeByDigest)
	public.GET(path+PathStatusLists, x.statusLists)
	public.GET(path+PathStatusLists+"/:id", x.statusList)
	public.GET(path+pathOffer, x.offer)

	h.Echo().GET(path+pathOffer+pathOfferPage, x.offerPage, httpd.Errors(pages.EncodePage))

	protocol := h.Echo().Group(path, httpd.Errors(encodeError), httpd.CORS(), pages.FreshNonce())
	protocol.POST(pathNonce, x.nonce)
	protocol.OPTIONS(pathNonce, httpd.Preflight(http.MethodPost))
	protocol.POST(pathCredential, x.credential, httpd.BodyLimit(maxCredentialRequest))
	protocol.OPTIONS(pathCredential, httpd.Preflight(http.MethodPost))

	protocol.POST(pathDeferred, x.deferred, httpd.BodyLimit(maxCredentialRequest))
	protocol.OPTIONS(pathDeferred, httpd.Preflight(http.MethodPost))

	notified := h.Echo().Group(path, httpd.Errors(encodeNotificationError), httpd.CORS(), pages.FreshNonce())
	notified.POST(pathNotification, x.notification)
	notified.OPTIONS(pathNotification, httpd.Preflight(http.MethodPost))

	h.Echo().POST(path+pathOffers, x.makeOffer)
	h.Echo().GET(path+pathDeferrals, x.pending)
	h.Echo().POST(path+pathDeferrals+"/:id", x.decide)
	h.Echo().GET(path+pathStylesheet, asset("text/css; charset=utf-8", web.Stylesheet()))
	h.Echo().GET(path+pathScript, asset("text/javascript; charset=utf-8", web.Script()))
}

// maxCredentialRequest has room for a hundred key proofs, in bytes.
const maxCredentialRequest = 256 << 10

// cacheMetadata is how long metadata may be kept. A new key is published for
// longer than that before it signs.
const (
	cacheMetadata    = "public, max-age=300"
	cacheMetadataAge = 5 * time.Minute
)

// document serves metadata that does not change while the process runs.
func document(v any) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", cacheMetadata)
		return httpd.WriteJSON(c, http.StatusOK, v)
	}
}

// metadata serves the metadata of the issuer, signed for those who would rather
// have it so. Whoever takes neither form gets JSON, which everybody must serve
// and may fall back on (OpenID4VCI 1.0 section 12.2.2).
func (x *handler) metadata(c echo.Context) error {
	header := c.Response().Header()
	metadata := x.issuer.Metadata()
	header.Add("Vary", "Accept")
	if x.issuer.signedMetadata != nil &&
		httpd.Preferred(c.Request().Header, "application/json", openid4vci.MediaTypeSignedMetadata) == openid4vci.MediaTypeSignedMetadata {
		now := x.issuer.cfg.Now()
		signed, expires, err := x.issuer.signedMetadata.sign(metadata, now)
		switch {
		case err == nil:
			age := max(0, min(cacheMetadataAge, expires.Sub(now)))
			header.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age/time.Second)))
			return c.Blob(http.StatusOK, openid4vci.MediaTypeSignedMetadata, []byte(signed))
		case !errors.Is(err, keys.ErrNoSigner):
			return err
		}
		// That no key may sign is in the log and the metric of certificates.
	}
	header.Set("Cache-Control", cacheMetadata)
	return httpd.WriteJSON(c, http.StatusOK, metadata)
}

// typeMetadata serves the metadata of one type.
func (x *handler) typeMetadata(c echo.Context) error {
	document, ok := x.issuer.types[c.Param("name")]
	if !ok {
		return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "no such type"}
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=86400")
	return httpd.WriteTagged(c, "application/json", document.body)
}

// typeByDigest serves the document that credentials name by vct#integrity.
func (x *handler) typeByDigest(c echo.Context) error {
	document, err := x.issuer.typeByDigest(c.Request().Context(), c.Param("name"), c.Param("digest"))
	switch {
	case errors.Is(err, records.ErrTypeDocumentUnknown):
		return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "no such document"}
	case err != nil:
		return httpd.Unavailable(err)
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	return httpd.WriteTagged(c, "application/json", document)
}

// vcIssuer serves the keys that sign SD-JWT VCs.
func (x *handler) vcIssuer(c echo.Context) error {
	metadata, err := x.issuer.VCIssuerMetadata()
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", cacheMetadata)
	return httpd.WriteJSON(c, http.StatusOK, metadata)
}

func (x *handler) nonce(c echo.Context) error {
	return httpd.WriteJSON(c, http.StatusOK, openid4vci.NonceResponse{Nonce: x.issuer.Nonce()})
}

func (x *handler) credential(c echo.Context) error {
	return x.exchange(c, pathCredential, x.issuer.answer)
}

func (x *handler) deferred(c echo.Context) error {
	return x.exchange(c, pathDeferred, x.issuer.answerDeferred)
}

// exchange answers a request that may be encrypted, of a client with an access
// token.
func (x *handler) exchange(c echo.Context, path string, answer func(context.Context, *oauth.Access, message) (*message, error)) error {
	header := c.Request().Header
	ctx := c.Request().Context()
	access, err := x.authorizer.Authenticate(ctx, http.MethodPost, x.issuer.cfg.ID+path, header.Values("Authorization"), header.Values("DPoP"))
	if err != nil {
		return err
	}
	body, mediaType, err := httpd.Body(c, "application/json", openid4vci.MediaTypeEncrypted)
	if err != nil {
		return err
	}
	response, err := answer(ctx, access, message{mediaType: mediaType, body: body})
	if err != nil {
		return err
	}
	return c.Blob(response.status, response.mediaType, response.body)
}

func (x *handler) notification(c echo.Context) error {
	header := c.Request().Header
	ctx := c.Request().Context()
	access, err := x.authorizer.Authenticate(ctx, http.MethodPost, x.issuer.cfg.ID+pathNotification, header.Values("Authorization"), header.Values("DPoP"))
	if err != nil {
		return err
	}
	body, _, err := httpd.Body(c, "application/json")
	if err != nil {
		return err
	}
	if err := x.issuer.Notify(ctx, access, body); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// encodeNotificationError answers at the notification endpoint (OpenID4VCI 1.0
// section 11.3).
func encodeNotificationError(c echo.Context, err error) {
	encodeAs(c, err, openid4vci.CodeInvalidNotificationRequest)
}

// encodeError answers at the nonce and credential endpoints (OpenID4VCI 1.0
// section 8.3.1), and at the deferred credential endpoint (section 9.3): its own codes with 400, and those of OAuth for a token that
// is not accepted with a challenge (RFC 9449 section 7.1).
func encodeError(c echo.Context, err error) {
	encodeAs(c, err, openid4vci.CodeInvalidCredentialRequest)
}

// encodeAs has a code for requests that are malformed.
func encodeAs(c echo.Context, err error, malformed string) {
	if errors.Is(err, session.ErrUnavailable) || errors.Is(err, evidence.ErrUnavailable) || errors.Is(err, database.ErrUnavailable) ||
		errors.Is(err, keys.ErrNoSigner) || errors.Is(err, ErrAttestationStatus) || errors.Is(err, source.ErrUnavailable) {
		err = httpd.Unavailable(err)
	}
	e := httpd.AsError(oauth.AsHTTP(err))
	switch {
	case e.Status == http.StatusUnauthorized:
		c.Response().Header().Set("WWW-Authenticate", `DPoP error="`+e.Code+`", algs="ES256 ES384 ES512"`)
	case e.Code == httpd.CodeUnsupportedMediaType, e.Code == httpd.CodeInvalidRequest:
		e = &httpd.Error{Status: http.StatusBadRequest, Code: malformed, Description: e.Description, Cause: e.Cause}
	}
	httpd.EncodeOAuth(c, e)
}

func (x *handler) statusList(c echo.Context) error {
	return statuslist.Respond(c, x.issuer.statusAge(), x.issuer.cfg.Now(), func() (statuslist.Publication, error) {
		pub, err := x.issuer.StatusList(c.Request().Context(), c.Param("id"))
		switch {
		case errors.Is(err, statuslist.ErrUnknownList):
			return pub, &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "no such status list"}
		case err != nil:
			return pub, httpd.Unavailable(err)
		}
		return pub, nil
	})
}

// statusLists is a Status List Aggregation (section 9.3).
func (x *handler) statusLists(c echo.Context) error {
	uris, err := x.issuer.StatusListURIs(c.Request().Context())
	if err != nil {
		return httpd.Unavailable(err)
	}
	c.Response().Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(x.issuer.statusAge()/time.Second)))
	return httpd.WriteJSON(c, http.StatusOK, statusAggregation{StatusLists: uris})
}

type statusAggregation struct {
	StatusLists []string `json:"status_lists"`
}

// admin refuses everybody but the operator. It compares digests, so that neither
// content nor length of the token shows in the time it takes.
func (x *handler) admin(c echo.Context) error {
	if values := c.Request().Header.Values("Authorization"); len(values) == 1 {
		scheme, token, _ := strings.Cut(values[0], " ")
		sum := sha256.Sum256([]byte(token))
		if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], x.adminToken[:]) == 1 {
			return nil
		}
	}
	c.Response().Header().Set("WWW-Authenticate", "Bearer")
	return &httpd.Error{Status: http.StatusUnauthorized, Code: ReasonUnauthorized, Description: "the operator's token is needed"}
}

// asset serves a file that the pages refer to.
func asset(mediaType string, content []byte) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "public, max-age=3600")
		return c.Blob(http.StatusOK, mediaType, content)
	}
}

package oauth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/web"
)

// DefaultSignerURL is what a link to the signer app begins with unless the
// issuer says otherwise.
const DefaultSignerURL = "tegata-sign://"

// signingResponse is what an app shall sign.
type signingResponse struct {
	// Challenge is the text in base64.
	Challenge string `json:"challenge"`
	Device    string `json:"device"`
	ExpiresAt string `json:"expires_at"`
	// Authentication is left out if that certificate is of no use.
	Authentication string `json:"authentication,omitempty"`
}

// depositResponse has one of the two.
type depositResponse struct {
	ReturnURI string `json:"return_uri,omitempty"`
	Code      string `json:"code,omitempty"`
}

func (h *Handler) signing(c echo.Context) error {
	s, err := h.server.Signing(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return httpd.WriteJSON(c, http.StatusOK, signingResponse{
		Challenge: base64.StdEncoding.EncodeToString(s.Challenge),
		Device:    string(s.Device),
		ExpiresAt: s.Expires.UTC().Format(time.RFC3339),

		Authentication: string(s.Authentication),
	})
}

func (h *Handler) deposit(c echo.Context) error {
	var members map[string]string
	if err := httpd.JSON(c, &members); err != nil {
		return err
	}
	// Whatever else an app sends, a PIN above all, does not belong here.
	for name := range members {
		if !slices.Contains([]string{"certificate", "signature", "signed_data", "authentication_certificate", "authentication_signature"}, name) {
			return refuse(openid4vci.CodeInvalidRequest, "only certificates, signatures and signed_data are taken", nil)
		}
	}
	answer, err := decodeAnswers(func(name string) string { return members[name] })
	if err != nil {
		return err
	}
	d, err := h.server.Deposit(c.Request().Context(), c.Param("id"), answer)
	if err != nil {
		return err
	}
	if d.Device == evidence.OtherDevice {
		return httpd.WriteJSON(c, http.StatusOK, depositResponse{Code: d.Code})
	}
	return httpd.WriteJSON(c, http.StatusOK, depositResponse{ReturnURI: h.base + pathReturn + "?" + url.Values{"code": {d.Code}}.Encode()})
}

// decodeAnswers reads what an app leaves: an answer of the signature certificate,
// one of the authentication certificate, or both.
func decodeAnswers(member func(string) string) (a evidence.Answer, err error) {
	certificate, errCertificate := decodeUpload(member("authentication_certificate"))
	signature, errSignature := decodeUpload(member("authentication_signature"))
	if err := errors.Join(errCertificate, errSignature); err != nil || (len(certificate) == 0) != (len(signature) == 0) {
		return a, refuse(openid4vci.CodeInvalidRequest, "authentication_certificate and authentication_signature belong together, in base64", err)
	}
	if len(certificate) == 0 || member("certificate")+member("signature")+member("signed_data") != "" {
		if a, err = decodeAnswer(member); err != nil {
			return a, err
		}
	}
	a.AuthenticationCertificate, a.AuthenticationSignature = certificate, signature
	return a, nil
}

// testCard gives the card of a made-up person away, keys and all, so that a
// signer app can be tried. There is nothing to protect: whoever asks could be
// the same person on the login page.
func (h *Handler) testCard(c echo.Context) error {
	card, err := h.server.cfg.TestCards.Card(c.Request().Context(), c.Param("person"))
	if errors.Is(err, ErrNoTestPerson) {
		return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "no such test person", Cause: err}
	}
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, card)
}

// encodeAppError answers apps with problem documents.
func encodeAppError(c echo.Context, err error) { httpd.EncodeProblem(c, AsHTTP(err)) }

// returned goes on in the browser that the signer app has opened. In any other
// than the one that was shown the link to the app, it leads nowhere and uses
// nothing up.
func (h *Handler) returned(c echo.Context) error {
	query, err := httpd.Query(c)
	if err != nil {
		return err
	}
	return h.finish(c, evidence.SameDevice, query.Get("code"))
}

func (h *Handler) finish(c echo.Context, device evidence.Device, code string) error {
	next, err := h.server.Finish(c.Request().Context(), h.readCookie(c), device, code)
	if err != nil {
		return err
	}
	h.setCookie(c, next)
	return c.Redirect(http.StatusSeeOther, h.base+pathReview)
}

// elsewhere begins signing on another device.
func (h *Handler) elsewhere(c echo.Context) error {
	if _, err := httpd.Form(c); err != nil { // which has no fields
		return err
	}
	if err := h.server.SignElsewhere(c.Request().Context(), h.readCookie(c)); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, h.base+pathDevice)
}

// device shows the link for another device and asks for the code.
func (h *Handler) device(c echo.Context) error { return h.showDevice(c, http.StatusOK, nil) }

// showDevice shows the page once more after a code that was wrong.
func (h *Handler) showDevice(c echo.Context, status int, wrong error) error {
	view, err := h.view(c)
	if err != nil {
		return err
	}
	if view.Person != nil || view.Signings[evidence.OtherDevice] == "" {
		return c.Redirect(http.StatusSeeOther, h.base+pathLogin)
	}
	if err := h.allowRedirect(c, view); err != nil {
		return err
	}
	data := h.data(view, evidence.OtherDevice)
	data.WrongCode = wrong != nil
	if data.QR, err = pages.NewQR(string(data.SignerLink)); err != nil {
		return err
	}
	return h.render(c, status, web.Device, data)
}

// typed takes the code that the person read off the signer app.
func (h *Handler) typed(c echo.Context) error {
	form, err := httpd.Form(c)
	if err != nil {
		return err
	}
	code := strings.TrimSpace(form.Get("code"))
	if len(code) != signingCodeLength || strings.Trim(code, "0123456789") != "" {
		return h.showDevice(c, http.StatusBadRequest, errSigningCode) // no attempt
	}
	err = h.finish(c, evidence.OtherDevice, code)
	if errors.Is(err, errSigningCode) {
		return h.showDevice(c, http.StatusBadRequest, err)
	}
	return err
}

func (h *Handler) signerLink(secret string) string {
	begin := h.server.cfg.SignerURL
	if begin == "" {
		begin = DefaultSignerURL
	}
	separator := "?"
	if strings.Contains(begin, "?") {
		separator = "&"
	}
	return begin + separator + url.Values{"request_uri": {h.base + pathSigning + "/" + secret}}.Encode()
}

// decodeAnswer reads an answer from the members of a form or a document.
func decodeAnswer(member func(string) string) (a evidence.Answer, err error) {
	var errs [3]error
	a.Certificate, errs[0] = decodeUpload(member("certificate"))
	a.Signature, errs[1] = decodeUpload(member("signature"))
	a.SignedData, errs[2] = decodeUpload(member("signed_data"))
	raw, whole := len(a.Certificate) > 0 && len(a.Signature) > 0, len(a.SignedData) > 0
	if err := errors.Join(errs[:]...); err != nil || raw == whole || whole && len(a.Certificate)+len(a.Signature) > 0 {
		return a, refuse(openid4vci.CodeInvalidRequest, "certificate and signature, or signed_data, are needed in base64", err)
	}
	return a, nil
}

// decodeUpload reads base64 as people paste it: standard alphabet, padded, with
// line breaks.
func decodeUpload(s string) ([]byte, error) {
	const longest = 48 << 10 // a SignedData of its greatest size
	s = strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == ' ' {
			return -1
		}
		return r
	}, s)
	if len(s) > longest {
		return nil, errors.New("upload is too long")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

package e2e_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/app/card"
)

// signer is the signer app of the command line, with the card of a test person
// in a file.
func (d *deployment) signer(t *testing.T, person string) (a card.App, file string) {
	t.Helper()
	a = card.App{Roots: []*x509.Certificate{d.box.TLSRoot}, Now: d.clock.Now}
	file = filepath.Join(t.TempDir(), "card.json")
	if err := a.Issue(t.Context(), d.box.Issuer, person, file); err != nil {
		t.Fatal(err)
	}
	return a, file
}

// TestSignerApp has the app of the command line sign for a browser on the same
// device, with every wrong PIN counted.
func TestSignerApp(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{sameDevice: true})
	app, file := d.signer(t, "hanako")
	c, b := d.newClient(t), d.newBrowser(t)
	p := b.open(t, c.request(t))
	link := p.attribute("open-signer", "href")
	if !strings.HasPrefix(link, "tegata-sign://?request_uri=https%3A%2F%2F") {
		t.Fatalf("link %q", link)
	}
	asked, err := app.Open(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if asked.Text != p.text("challenge-text")+"\n" || !strings.Contains(asked.Text, d.box.Issuer) {
		t.Errorf("the app shows:\n%s\nthe page shows:\n%s", asked.Text, p.text("challenge-text"))
	}
	if _, err := asked.Sign(t.Context(), file, "WRONG123", false); !errors.Is(err, jpkitest.ErrWrongPIN) {
		t.Errorf("wrong PIN: %v", err)
	}
	if left, _, err := card.TriesLeft(file); err != nil || left != 4 {
		t.Errorf("%d tries left, %v", left, err)
	}
	done, err := asked.Sign(t.Context(), file, jpkitest.SignPIN, true)
	if err != nil {
		t.Fatal(err)
	}
	if left, _, err := card.TriesLeft(file); err != nil || left != 5 {
		t.Errorf("%d tries left after the right PIN, %v", left, err)
	}
	// I08: neither a browser without the login nor the app's own gets anywhere.
	d.newBrowser(t).open(t, done.ReturnURI).want(t, http.StatusBadRequest, "invalid_request")
	other := d.newBrowser(t)
	other.open(t, d.newClient(t).request(t))
	other.open(t, done.ReturnURI).want(t, http.StatusBadRequest, "invalid_request")
	before := b.cookie(t, d.box.Issuer)
	p = b.open(t, done.ReturnURI)
	if p.text("person-name") != "山田　花子" || b.cookie(t, d.box.Issuer) == before {
		t.Fatalf("no review page: %d %s", p.status, p.text("oauth-error-description"))
	}
	c.token(t, c.tokenForm(b.submit(t, p, "review-form", approve).url.Query().Get("code")), nil).read(t, &struct{}{})
	d.wantKind(t, "jpki-signature")
	b.open(t, done.ReturnURI).want(t, http.StatusBadRequest, "invalid_request")
	// Another device is not allowed here.
	for _, path := range []string{"/login/jpki", "/login/device", "/login/code"} {
		if got := b.post(t, d.endpoint(path), url.Values{"code": {"00000000"}}); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// TestBlockedCard uses up the tries of a PIN.
func TestBlockedCard(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{sameDevice: true})
	app, file := d.signer(t, "taro")
	asked, err := app.Open(t.Context(), d.newBrowser(t).open(t, d.newClient(t).request(t)).attribute("open-signer", "href"))
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for range 5 {
		_, err := asked.Sign(t.Context(), file, "WRONG123", false)
		errs = append(errs, err)
	}
	if !errors.Is(errs[3], jpkitest.ErrWrongPIN) || !errors.Is(errs[4], jpkitest.ErrBlocked) {
		t.Errorf("wrong PINs: %v", errs)
	}
	if _, err := asked.Sign(t.Context(), file, jpkitest.SignPIN, false); !errors.Is(err, jpkitest.ErrBlocked) {
		t.Errorf("right PIN on a blocked card: %v", err)
	}
}

// TestOtherDevice signs on another device, and types the code.
func TestOtherDevice(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	app, file := d.signer(t, "hanako")
	c, b := d.newClient(t), d.newBrowser(t)
	p := b.open(t, c.request(t))
	if !strings.Contains(p.body, `id="other-device-warning"`) {
		t.Error("the page does not warn of fraud")
	}
	p = b.submit(t, p, "device-form", nil)
	if p.status != http.StatusOK || !strings.Contains(p.body, `id="qr"`) {
		t.Fatalf("%d %s", p.status, p.body)
	}
	asked, err := app.Open(t.Context(), p.attribute("signer-link", "href"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(asked.Text, "device: other") {
		t.Errorf("the text does not say that it is for another device:\n%s", asked.Text)
	}
	early := b.submit(t, p, "code-form", url.Values{"code": {"12345678"}})
	if early.status != http.StatusBadRequest || !strings.Contains(early.body, `id="wrong-code"`) {
		t.Errorf("a code before the signature: %d", early.status)
	}
	done, err := asked.Sign(t.Context(), file, jpkitest.SignPIN, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, malformed := range []string{"", "1234567", "１２３４５６７８", "abcdefgh", done.Code + "0"} {
		if got := b.submit(t, p, "code-form", url.Values{"code": {malformed}}); got.status != http.StatusBadRequest || !strings.Contains(got.body, `id="wrong-code"`) {
			t.Errorf("code %q: %d", malformed, got.status)
		}
	}
	// F02: the code is of no use in another browser.
	other := d.newBrowser(t)
	q := other.submit(t, other.open(t, d.newClient(t).request(t)), "device-form", nil)
	if got := other.submit(t, q, "code-form", url.Values{"code": {done.Code}}); got.status != http.StatusBadRequest {
		t.Errorf("code in another browser: %d", got.status)
	}
	if p = b.submit(t, p, "code-form", url.Values{"code": {done.Code}}); p.text("person-name") != "山田　花子" {
		t.Fatalf("honest twin: %d %s", p.status, p.text("oauth-error-description"))
	}
	// The lower assurance is on record.
	c.token(t, c.tokenForm(b.submit(t, p, "review-form", approve).url.Query().Get("code")), nil).read(t, &struct{}{})
	d.wantKind(t, "jpki-signature-other-device")
}

// wantKind fails the test unless every grant rests on evidence of the kind, and
// there is one.
func (d *deployment) wantKind(t *testing.T, kind string) {
	t.Helper()
	all, right := d.query(t, `SELECT COUNT(*) FROM grants`), d.query(t, `SELECT COUNT(*) FROM grants WHERE evidence_kind = $1`, kind)
	if all == 0 || all != right {
		t.Errorf("%d of %d grants rest on %s", right, all, kind)
	}
}

// TestNegSigningEndpoint sends the endpoint for signer apps what does not belong
// there. Every exchange is held against the document.
func TestNegSigningEndpoint(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	hanako := cardOf(t, "hanako")
	link, err := url.Parse(d.newBrowser(t).open(t, d.newClient(t).request(t)).attribute("open-signer", "href"))
	if err != nil {
		t.Fatal(err)
	}
	address := link.Query().Get("request_uri")
	var asked struct {
		Challenge []byte `json:"challenge"`
		Device    string `json:"device"`
	}
	shown := d.send(t, http.MethodGet, address, nil, nil)
	shown.read(t, &asked)
	if asked.Device != "same" || shown.header.Get("Cache-Control") != "no-store" || shown.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answer %s, header %v", shown.body, shown.header)
	}
	signature, err := hanako.Sign(jpkitest.SignPIN, asked.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{
		"certificate": base64.StdEncoding.EncodeToString(hanako.SignatureCertificate().Raw),
		"signature":   base64.StdEncoding.EncodeToString(signature),
	}
	post := func(address, mediaType string, members map[string]string) *answer {
		body, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return d.send(t, http.MethodPost, address, http.Header{"Content-Type": {mediaType}}, body)
	}
	with := func(name, value string) map[string]string {
		members := map[string]string{name: value}
		for n, v := range good {
			if _, ok := members[n]; !ok {
				members[n] = v
			}
		}
		return members
	}
	for name, tt := range map[string]struct {
		members map[string]string
		reason  string
	}{
		"nothing":            {map[string]string{}, "invalid_request"},
		"a PIN beside it":    {with("pin", "TEGATA123"), "invalid_request"},
		"both forms":         {with("signed_data", "AAAA"), "invalid_request"},
		"not base64":         {with("signature", "*"), "invalid_request"},
		"no signature":       {with("signature", ""), "invalid_request"},
		"another signature":  {with("signature", base64.StdEncoding.EncodeToString(make([]byte, 256))), "evidence_refused"},
		"not a certificate":  {with("certificate", "QUJD"), "evidence_refused"},
		"other SignedData":   {map[string]string{"signed_data": "MAA="}, "evidence_refused"},
		"card of a stranger": {with("certificate", base64.StdEncoding.EncodeToString(cardOf(t, "taro").SignatureCertificate().Raw)), "evidence_refused"},
	} {
		if got := post(address, "application/json", tt.members); got.status != http.StatusBadRequest || got.code() != tt.reason {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	post(address+"x", "application/json", good).want(t, http.StatusNotFound, "not_found")
	d.send(t, http.MethodGet, address+"x", nil, nil).want(t, http.StatusNotFound, "not_found")
	post(address, "text/plain", good).want(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	var left struct {
		ReturnURI string `json:"return_uri"`
	}
	post(address, "application/json", good).read(t, &left)
	if !strings.HasPrefix(left.ReturnURI, d.box.Issuer+"/login/return?code=") {
		t.Errorf("honest twin: %q", left.ReturnURI)
	}
	again := left.ReturnURI
	post(address, "application/json", good).read(t, &left)
	if left.ReturnURI != again {
		t.Error("the same answer gets another reply")
	}
	stranger, err := cardOf(t, "taro").Sign(jpkitest.SignPIN, asked.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	post(address, "application/json", map[string]string{
		"certificate": base64.StdEncoding.EncodeToString(cardOf(t, "taro").SignatureCertificate().Raw),
		"signature":   base64.StdEncoding.EncodeToString(stranger),
	}).want(t, http.StatusConflict, "answered")
	if log := d.log.String(); strings.Contains(log, strings.TrimPrefix(address, d.box.Issuer+"/signing/")) || strings.Contains(log, "TEGATA123") {
		t.Error("the log has the link or a PIN in it")
	}
}

package jpkitest

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

// operatorNews is how often the simulated operator learns of revocations.
const operatorNews = 15 * time.Minute

// Operator is a platform operator: it knows the status of the certificates of
// one JPKI and tells it to those who show its token, in the form of
// [jpki.OperatorOverJSON]. It is safe for concurrent use.
type Operator struct {
	// Token has to come as a bearer token.
	Token string

	jpki *JPKI

	mu      sync.Mutex
	handles map[string]*x509.Certificate
	byCert  map[string]string // handle by the certificate's DER
}

// NewOperator makes a platform operator with a token of its own.
func (j *JPKI) NewOperator() *Operator {
	return &Operator{Token: rand.Text(), jpki: j, handles: map[string]*x509.Certificate{}, byCert: map[string]string{}}
}

type operatorQuestion struct {
	Nonce       string `json:"nonce"`
	Certificate string `json:"certificate"`
	Handle      string `json:"handle"`
}

type operatorAnswer struct {
	Nonce      string `json:"nonce"`
	Handle     string `json:"handle,omitempty"`
	Status     string `json:"status"`
	ThisUpdate int64  `json:"this_update,omitempty"`
	NextUpdate int64  `json:"next_update,omitempty"`
	RevokedAt  int64  `json:"revoked_at,omitempty"`
	Reason     int    `json:"reason,omitempty"`
}

// Answer answers one question in JSON. A question that cannot be read is an
// error.
func (o *Operator) Answer(question []byte) ([]byte, error) {
	var q operatorQuestion
	if err := json.Unmarshal(question, &q); err != nil || q.Nonce == "" || (q.Certificate == "") == (q.Handle == "") {
		return nil, errors.New("jpkitest: not a question to an operator")
	}
	answer := operatorAnswer{Nonce: q.Nonce, Status: "unknown"}
	cert, handle, err := o.find(q)
	if err != nil {
		return nil, err
	}
	if cert == nil {
		return json.Marshal(answer)
	}
	now := o.jpki.now()
	single := o.jpki.status(cert)
	switch single.Status {
	case ocsp.Good:
		answer.Status = "good"
	case ocsp.Revoked:
		answer.Status, answer.RevokedAt, answer.Reason = "revoked", single.RevokedAt.Unix(), single.ReasonCode
	default:
		return json.Marshal(answer)
	}
	answer.Handle, answer.ThisUpdate, answer.NextUpdate = handle, now.Unix(), now.Add(operatorNews).Unix()
	return json.Marshal(answer)
}

// find returns the certificate that a question is about and the handle of it,
// or nil.
func (o *Operator) find(q operatorQuestion) (*x509.Certificate, string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if q.Handle != "" {
		return o.handles[q.Handle], q.Handle, nil
	}
	der, err := base64.RawURLEncoding.DecodeString(q.Certificate)
	if err != nil {
		return nil, "", errors.New("jpkitest: the certificate is not in base64url")
	}
	if handle, ok := o.byCert[string(der)]; ok {
		return o.handles[handle], handle, nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, "", errors.New("jpkitest: not a certificate")
	}
	if o.jpki.status(cert).Status == ocsp.Unknown {
		return nil, "", nil
	}
	handle := rand.Text()
	o.handles[handle], o.byCert[string(der)] = cert, handle
	return cert, handle, nil
}

// status finds the CA that signed a certificate and asks it.
func (j *JPKI) status(cert *x509.Certificate) ocsp.Single {
	for _, cas := range j.cas {
		for _, ca := range cas {
			if ca.cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil {
				return ca.status(cert.SerialNumber)
			}
		}
	}
	return ocsp.Single{Status: ocsp.Unknown}
}

// Source returns the way to this operator without a network in between.
func (o *Operator) Source() trust.OperatorSource {
	return jpki.OperatorOverJSON(func(_ context.Context, question []byte) ([]byte, error) { return o.Answer(question) })
}

// ServeHTTP implements http.Handler: POST of a question to any path.
func (o *Operator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+o.Token)) != 1 {
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	serve(w, r, "application/json", o.Answer)
}

// OCSPHandler returns the OCSP responders of all CAs behind one address: POST
// of a request to any path.
func (j *JPKI) OCSPHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, "application/ocsp-response", j.answerOCSP)
	})
}

// answerOCSP finds out which CA a request is about and has its responder
// answer.
func (j *JPKI) answerOCSP(request []byte) ([]byte, error) {
	parsed, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocsp.Refusal(ocsp.MalformedRequest), nil //nolint:nilerr // the protocol says so in the response
	}
	for _, cas := range j.cas {
		for _, ca := range cas {
			if !parsed.CertIDs[0].Names(ca.cert, parsed.CertIDs[0].Serial) {
				continue
			}
			responder, err := ca.responder(j.now)
			if err != nil {
				return nil, err
			}
			return responder.Respond(request)
		}
	}
	return ocsp.Refusal(ocsp.Unauthorized), nil
}

// serve answers a POST of at most 64 KiB.
func serve(w http.ResponseWriter, r *http.Request, mediaType string, answer func([]byte) ([]byte, error)) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ocsp.MaxSize))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	out, err := answer(body)
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(out) // whoever went away does not need it
}

package jpki

import (
	"context"
	"encoding/json"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
)

// MaxOperatorAnswer is the largest answer of a platform operator that is read,
// in bytes.
const MaxOperatorAnswer = 16 << 10

// operatorQuestion is a question in JSON. It has a certificate (base64url of
// the DER, without padding) or a handle.
type operatorQuestion struct {
	Nonce       string `json:"nonce"`
	Certificate string `json:"certificate,omitempty"`
	Handle      string `json:"handle,omitempty"`
}

// operatorAnswer is an answer in JSON. Times are in seconds since 1970.
type operatorAnswer struct {
	Nonce      string            `json:"nonce"`
	Handle     string            `json:"handle"`
	Status     string            `json:"status"`
	ThisUpdate *jose.NumericDate `json:"this_update"`
	NextUpdate *jose.NumericDate `json:"next_update"`
	RevokedAt  *jose.NumericDate `json:"revoked_at"`
	Reason     *int              `json:"reason"`
}

// OperatorOverJSON asks a platform operator in JSON. post sends a body to the
// operator's address and returns the body of a successful answer, of which no
// more than [MaxOperatorAnswer] bytes need to be read; it authenticates both
// sides.
//
// No interface of operators is standardised. This one is for operators that
// have none yet, for an adapter in front of one that has, and for the simulator
// in package jpkitest. The question is an object with a "nonce" and either
// "certificate" (base64url of the DER) or "handle". The answer is an object
// with the same "nonce", a "handle" for later questions, a "status" of "good",
// "revoked" or "unknown", and "this_update" and optionally "next_update" as
// seconds since 1970; a revoked certificate has "revoked_at" and optionally
// "reason", a code of RFC 5280 section 5.3.1.
func OperatorOverJSON(post func(ctx context.Context, question []byte) (answer []byte, err error)) trust.OperatorSource {
	return trust.OperatorSourceFunc(func(ctx context.Context, q trust.OperatorQuestion) (trust.OperatorAnswer, error) {
		question := operatorQuestion{Nonce: q.Nonce, Handle: q.Handle}
		if q.Certificate != nil {
			question.Certificate = jose.EncodeBase64(q.Certificate.Raw)
		}
		body, err := json.Marshal(question)
		if err != nil {
			return trust.OperatorAnswer{}, err
		}
		raw, err := post(ctx, body)
		if err != nil {
			return trust.OperatorAnswer{}, err
		}
		return ParseOperatorAnswer(raw)
	})
}

// ParseOperatorAnswer reads an answer in the form of [OperatorOverJSON].
// Members that it does not know are passed over. Errors are [*trust.Error] and
// quote nothing of the answer. An unknown certificate is an answer without anything but the nonce.
func ParseOperatorAnswer(raw []byte) (trust.OperatorAnswer, error) {
	if len(raw) > MaxOperatorAnswer {
		return trust.OperatorAnswer{}, badAnswer("larger than is read")
	}
	var a operatorAnswer
	if err := jose.UnmarshalJSON(raw, &a); err != nil {
		return trust.OperatorAnswer{}, badAnswer("not the JSON that was expected")
	}
	status, ok := map[string]trust.OperatorStatus{
		"good": trust.OperatorGood, "revoked": trust.OperatorRevoked, "unknown": trust.OperatorUnknown,
	}[a.Status]
	switch {
	case !ok:
		return trust.OperatorAnswer{}, badAnswer("without a status, or with one that is not known")
	case status == trust.OperatorUnknown:
		return trust.OperatorAnswer{Status: status, Nonce: a.Nonce}, nil
	case a.ThisUpdate == nil:
		return trust.OperatorAnswer{}, badAnswer("without the time at which it was so")
	case (status == trust.OperatorRevoked) != (a.RevokedAt != nil), status != trust.OperatorRevoked && a.Reason != nil:
		return trust.OperatorAnswer{}, badAnswer("in contradiction to itself")
	case a.Reason != nil && (*a.Reason < 0 || *a.Reason > 10):
		return trust.OperatorAnswer{}, badAnswer("with a reason that is none")
	}
	out := trust.OperatorAnswer{Status: status, Handle: a.Handle, Nonce: a.Nonce, ThisUpdate: a.ThisUpdate.Time()}
	if a.NextUpdate != nil {
		out.NextUpdate = a.NextUpdate.Time()
	}
	if a.RevokedAt != nil {
		out.Revocation.At = a.RevokedAt.Time()
	}
	if a.Reason != nil {
		out.Revocation.ReasonCode = *a.Reason
	}
	return out, nil
}

func badAnswer(detail string) *trust.Error {
	return &trust.Error{Reason: trust.ReasonRevocationInvalid, Detail: "the platform operator's answer is " + detail}
}

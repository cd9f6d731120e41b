package sdjwt

import (
	"crypto"
	"encoding/json"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/status"
)

// clockSkew is how far iat and nbf may lie in the future, as FAPI 2.0 allows.
// exp has no such leeway.
const clockSkew = 60 * time.Second

// facts are the claims that describe the credential.
type facts struct {
	vct, integrity, issuer          string
	signedAt, validFrom, validUntil time.Time
	status                          *credentials.StatusRef
	// holder is nil if there is no cnf.
	holder   crypto.PublicKey
	audience credentials.Value
}

// readFacts reads them from a processed payload.
func readFacts(payload credentials.Object) (*facts, error) {
	f := &facts{audience: payload["aud"]}
	vct, ok := payload["vct"].(credentials.Text)
	if !ok || vct == "" {
		return nil, fail(ReasonMalformed, "vct is missing or not a string")
	}
	f.vct = string(vct)
	if claim, ok := payload["vct#integrity"]; ok {
		text, ok := claim.(credentials.Text)
		if !ok || text == "" {
			return nil, fail(ReasonMalformed, "vct#integrity is not a string")
		}
		f.integrity = string(text)
	}
	if iss, ok := payload["iss"]; ok {
		text, ok := iss.(credentials.Text)
		if !ok {
			return nil, fail(ReasonMalformed, "iss is not a string")
		}
		f.issuer = string(text)
	}
	if err := checkAlso(payload["aka_vcts"], vct); err != nil {
		return nil, err
	}
	for name, to := range map[string]*time.Time{"iat": &f.signedAt, "nbf": &f.validFrom, "exp": &f.validUntil} {
		if err := readTime(payload, name, to); err != nil {
			return nil, err
		}
	}
	if claim, ok := payload["status"]; ok {
		ref, err := status.ParseReference(claim)
		if err != nil {
			return nil, failWith(ReasonStatus, "status claim", err)
		}
		f.status = ref
	}
	if claim, ok := payload["cnf"]; ok {
		holder, err := readConfirmation(claim)
		if err != nil {
			return nil, err
		}
		f.holder = holder
	}
	return f, nil
}

// checkAlso holds aka_vcts to its form. It never authorises anything.
func checkAlso(claim credentials.Value, vct credentials.Text) error {
	if claim == nil {
		return nil
	}
	names, ok := claim.(credentials.Array)
	if !ok || len(names) == 0 {
		return fail(ReasonMalformed, "aka_vcts is not a list of names")
	}
	for _, name := range names {
		if text, ok := name.(credentials.Text); !ok || text == vct {
			return fail(ReasonMalformed, "aka_vcts holds another thing than further names")
		}
	}
	return nil
}

func readTime(payload credentials.Object, name string, to *time.Time) error {
	const year9999 = 253402300799
	claim, ok := payload[name]
	if !ok {
		return nil
	}
	seconds, ok := claim.(credentials.Int)
	if !ok || seconds <= 0 || seconds > year9999 {
		return fail(ReasonMalformed, name+" is not a whole number of seconds")
	}
	*to = time.Unix(int64(seconds), 0).UTC()
	return nil
}

// readConfirmation reads the holder's key. A cnf that names a key in a second
// way is ambiguous and refused.
func readConfirmation(claim credentials.Value) (crypto.PublicKey, error) {
	cnf, ok := claim.(credentials.Object)
	if !ok {
		return nil, fail(ReasonHolderKey, "cnf is not an object")
	}
	for _, other := range []string{"kid", "jku", "jwe", "jkt", "x5c", "x5t", "x5t#S256", "osc"} {
		if _, ok := cnf[other]; ok {
			return nil, fail(ReasonHolderKey, "cnf holds "+other)
		}
	}
	member, ok := cnf["jwk"].(credentials.Object)
	if !ok {
		return nil, fail(ReasonHolderKey, "cnf has no jwk")
	}
	data, err := json.Marshal(member.JSON())
	if err != nil {
		return nil, failWith(ReasonHolderKey, "cnf", err)
	}
	jwk, err := jose.ParseJWK(data)
	if err != nil {
		return nil, failWith(ReasonHolderKey, "cnf", err)
	}
	pub, err := jwk.VerificationKey()
	if err != nil {
		return nil, failWith(ReasonHolderKey, "cnf", err)
	}
	return pub, nil
}

// checkTimes judges exp, nbf and iat, as they stand after processing.
func (f *facts) checkTimes(now time.Time) error {
	if !f.validUntil.IsZero() && !now.Before(f.validUntil) {
		return fail(ReasonExpired, "exp has passed")
	}
	if f.validFrom.After(now.Add(clockSkew)) {
		return fail(ReasonNotYetValid, "nbf has not come")
	}
	if f.signedAt.After(now.Add(clockSkew)) {
		return fail(ReasonNotYetValid, "iat lies in the future")
	}
	return nil
}

// addressedTo reports whether aud, if there is one, names the audience.
func (f *facts) addressedTo(audience string) bool {
	switch aud := f.audience.(type) {
	case nil:
		return true
	case credentials.Text:
		return string(aud) == audience
	case credentials.Array:
		for _, a := range aud {
			if a == credentials.Value(credentials.Text(audience)) {
				return true
			}
		}
	}
	return false
}

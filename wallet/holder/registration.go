package holder

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/registration"
)

// Registration is what a registrar says of the verifier.
type Registration struct {
	// Certificate is nil if there is none that counts; Problem says why.
	Certificate *registration.Certificate
	// Problem is [ErrNotRegistered], [ErrOtherRegistration] or a
	// [registration.ErrCertificate]. The person should be warned.
	Problem error
}

// What is wrong with the registration of a verifier.
var (
	// ErrNotRegistered says that the request has no registration certificate, or
	// more than one.
	ErrNotRegistered = errors.New("the request has not exactly one registration certificate")
	// ErrOtherRegistration says that it is of another party than the one that asks.
	ErrOtherRegistration = errors.New("the registration certificate is of another party")
)

// registrationOf reads the registration certificate of a request, nil if the
// wallet knows no registrars. credentialIDs are what it is for, nil of everything.
func (w *Wallet) registrationOf(ctx context.Context, r *openid4vp.Request) (out *Registration, credentialIDs []string) {
	if w.RegistrationTrust == nil {
		return nil, nil
	}
	var found []openid4vp.VerifierInfo
	for _, info := range r.Parameters.VerifierInfo {
		if info.Format == registration.Format {
			found = append(found, info)
		}
	}
	if len(found) != 1 {
		return &Registration{Problem: ErrNotRegistered}, nil
	}
	var compact string
	if err := jose.UnmarshalJSON(found[0].Data, &compact); err != nil {
		return &Registration{Problem: registration.ErrCertificate}, nil
	}
	c, err := registration.Parse(ctx, compact, registration.Expect{Policy: w.RegistrationTrust, Now: w.Now(), Skew: metadataSkew})
	switch {
	case err != nil:
		return &Registration{Problem: err}, nil
	case r.Chain == nil || !c.IsOf(r.Chain.Certificates[0]):
		return &Registration{Problem: ErrOtherRegistration}, nil
	}
	return &Registration{Certificate: c}, found[0].CredentialIDs
}

// judge marks what the verifier is not registered for, and what the person should
// think of twice.
func (i *Item) judge(r *Registration, credentialIDs []string) {
	for _, path := range i.Paths {
		if isBiometric(path) {
			i.Biometric = append(i.Biometric, path)
		}
		if r == nil || r.Certificate == nil {
			continue
		}
		covered := credentialIDs == nil || slices.Contains(credentialIDs, i.QueryID)
		if !covered || !r.Certificate.Allows(i.Credential.Format, i.Credential.Type, path) {
			i.Unregistered = append(i.Unregistered, path)
		}
	}
}

// isBiometric recognises portraits and templates by the names that ISO/IEC
// 18013-5, ISO/IEC 23220-2 and the EU's PID rulebook give them.
func isBiometric(path credentials.Path) bool {
	return slices.ContainsFunc(path, func(e credentials.PathElement) bool {
		name, ok := e.Name()
		return ok && (name == "portrait" || name == "picture" || name == "enrolment_portrait_image" || strings.HasPrefix(name, "biometric_template_"))
	})
}

// isPID recognises the EU's person identification data, whose key signs no
// transactions (PID rulebook 1.7).
func isPID(kind string) bool {
	return kind == "eu.europa.ec.eudi.pid.1" || strings.HasPrefix(kind, "urn:eudi:pid:")
}

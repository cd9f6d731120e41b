package trust

// Extended key usages, in dotted form.
const (
	// OIDMdocSigner marks document signers (ISO/IEC 18013-5 annex B.1.4).
	OIDMdocSigner = "1.0.18013.5.1.2"
	// OIDMdocReader marks reader authentication certificates.
	OIDMdocReader = "1.0.18013.5.1.6"
	// OIDVICALSigner marks signers of lists of IACAs.
	OIDVICALSigner = "1.0.18013.5.1.8"

	oidAnyUsage    = "2.5.29.37.0"
	oidServerAuth  = "1.3.6.1.5.5.7.3.1"
	oidClientAuth  = "1.3.6.1.5.5.7.3.2"
	oidOCSPSigning = "1.3.6.1.5.5.7.3.9"
)

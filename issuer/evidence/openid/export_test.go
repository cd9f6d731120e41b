package openid

import (
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// CheckClaims checks the payload of an ID token whose signature verified.
func CheckClaims(cfg Config, payload []byte, nonce string, now time.Time) (subject string, err error) {
	p := &Provider{cfg: cfg}
	return p.checkClaims(payload, "access", nonce, now, now)
}

// ReadUserInfo reads an answer of the userinfo endpoint.
func ReadUserInfo(body []byte, subject string) (*jpki.Attributes, error) {
	return readUserInfo(body, subject)
}

package openid

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// userInfo are the claims that the scopes give.
type userInfo struct {
	Subject   string  `json:"sub"`
	Name      string  `json:"name"`
	Address   address `json:"address"`
	BirthDate string  `json:"birthdate"`
	Gender    string  `json:"gender"`
}

// address is a string or the object of OpenID Connect Core 1.0 section 5.1.1.
type address string

// UnmarshalJSON implements json.Unmarshaler.
func (a *address) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, (*string)(a)) == nil {
		return nil
	}
	var object struct {
		Formatted string `json:"formatted"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*a = address(object.Formatted)
	return nil
}

// userInfo asks for the basic attributes (OpenID Connect Core 1.0 section 5.3).
// They must be the subject's of the ID token (section 5.3.2).
func (p *Provider) userInfo(ctx context.Context, accessToken, subject string) (*jpki.Attributes, error) {
	response, err := p.cfg.Client.GetWith(ctx, p.cfg.Endpoints.UserInfo, http.Header{"Authorization": {"Bearer " + accessToken}}, "application/json")
	if err != nil {
		return nil, asked("userinfo", err)
	}
	return readUserInfo(response.Body, subject)
}

func readUserInfo(body []byte, subject string) (*jpki.Attributes, error) {
	var info userInfo
	if jose.UnmarshalJSON(body, &info) != nil {
		return nil, refused("the answer of the userinfo endpoint is malformed")
	}
	if info.Subject != subject {
		return nil, refused("the attributes are those of another subject")
	}
	birth, err := birthDate(info.BirthDate)
	if err != nil {
		return nil, err
	}
	gender, known := genders[info.Gender]
	if !known {
		return nil, refused("the gender is none that is known")
	}
	attributes, err := jpki.NewAttributes(info.Name, string(info.Address), birth, gender)
	if err != nil {
		return nil, refused("%v", err) // which quotes nothing
	}
	return attributes, nil
}

// genders are the codes of the certificates, and the words of OpenID Connect
// Core 1.0 section 5.1.
var genders = map[string]int{"1": 1, "2": 2, "3": 3, "male": 1, "female": 2, "unknown": 3}

// birthDate reads YYYY-MM-DD or YYYYMMDD. It is nil if year, month or day are
// zero, and so unknown; a date that was not stated at all is refused.
func birthDate(text string) (*credentials.FullDate, error) {
	digits := text
	if len(text) == len(time.DateOnly) && text[4] == '-' && text[7] == '-' {
		digits = text[:4] + text[5:7] + text[8:]
	}
	if len(digits) != 8 || strings.Trim(digits, "0123456789") != "" {
		return nil, refused("the birth date is not a date")
	}
	if digits[:4] == "0000" || digits[4:6] == "00" || digits[6:] == "00" {
		return nil, nil
	}
	t, err := time.Parse("20060102", digits)
	if err != nil {
		return nil, refused("the birth date is not in the calendar")
	}
	return &credentials.FullDate{Year: t.Year(), Month: t.Month(), Day: t.Day()}, nil
}

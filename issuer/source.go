package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/catalogue"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/source"
)

// Source returns what is known of people as the authorization server sees it:
// the evidence, and the registers that a configuration takes claims from.
func (i *Issuer) Source() oauth.Source { return persons{i} }

type persons struct{ *Issuer }

// Person implements oauth.Source.
func (i persons) Person(ctx context.Context, e *evidence.Evidence, configurations []string) (*source.Person, error) {
	p, err := source.Certificate{}.Person(ctx, e)
	if err != nil {
		return nil, err
	}
	return i.complete(ctx, e, p, configurations)
}

// complete asks the registers, and makes sure that credentials can be made of
// what is known then: better now than when the person has agreed.
func (i *Issuer) complete(ctx context.Context, e *evidence.Evidence, p *source.Person, configurations []string) (*source.Person, error) {
	p, err := i.cfg.Registers.Complete(ctx, e, p, i.wanted(configurations))
	if err != nil {
		return nil, err
	}
	for _, id := range configurations {
		c, ok := i.configuration(id)
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownConfiguration, id)
		}
		if _, err := c.claims(e.Kind, p, i.today()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// wanted returns what configurations take from registers, by the register.
func (i *Issuer) wanted(configurations []string) map[string][]string {
	wanted := map[string][]string{}
	for _, id := range configurations {
		if c, ok := i.configuration(id); ok {
			for register, names := range c.Registers {
				wanted[register] = append(wanted[register], names...)
			}
		}
	}
	return wanted
}

// errChanged says that a register no longer says what the person agreed to.
var errChanged = errors.New("what is on record of the person has changed")

// StillTrue implements oauth.Source.
func (i persons) StillTrue(ctx context.Context, e *evidence.Evidence, p *source.Person, configurations []string) error {
	wanted := i.wanted(configurations)
	if len(wanted) == 0 {
		return nil
	}
	now, err := i.cfg.Registers.Complete(ctx, e, p, wanted)
	if err != nil {
		return err
	}
	for register, names := range wanted {
		for _, name := range names {
			then, errThen := sealedForm(p.Claims[register], name)
			again, errAgain := sealedForm(now.Claims[register], name)
			if err := errors.Join(errThen, errAgain); err != nil {
				return err
			}
			if !bytes.Equal(then, again) {
				return fmt.Errorf("register %s: %w", register, errChanged)
			}
		}
	}
	return nil
}

// sealedForm is a claim as it is sealed, nil if there is none: what was sealed has
// been through it.
func sealedForm(c source.Claims, name string) ([]byte, error) {
	v, ok := c[name]
	if !ok {
		return nil, nil
	}
	return json.Marshal(source.Claims{name: v})
}

// today is the date in Japan.
func (i *Issuer) today() credentials.FullDate { return credentials.DateOf(i.cfg.Now(), japan) }

// Review implements oauth.Source.
func (i persons) Review(p *source.Person, configuration string) ([]oauth.Line, error) {
	c, ok := i.configuration(configuration)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownConfiguration, configuration)
	}
	claims, err := c.Map(p, i.today())
	if err != nil {
		return nil, err
	}
	var lines []oauth.Line
	for _, claim := range c.Claims {
		values, _ := claim.Path.Select(claims)
		if len(values) != 1 {
			continue
		}
		line := oauth.Line{ID: claim.Path.String(), Name: map[string]string{}}
		for _, t := range claim.Name {
			line.Name[strings.ToLower(t.Locale)] = t.Text
		}
		line.Text, line.Image = shown(values[0])
		lines = append(lines, line)
	}
	return lines, nil
}

// shown returns a value as people read it, or the data URL of a picture.
func shown(v credentials.Value) (text string, image template.URL) {
	switch v := v.(type) {
	case credentials.Text:
		if catalogue.IsDataURL(string(v)) {
			return "", template.URL(v)
		}
		return string(v), ""
	case credentials.Bytes:
		if url := catalogue.DataURL(v); catalogue.IsDataURL(url) {
			return "", template.URL(url)
		}
		return strconv.Itoa(len(v)) + " bytes", ""
	case credentials.Bool:
		if v {
			return "はい yes", ""
		}
		return "いいえ no", ""
	case credentials.Array:
		parts := make([]string, len(v))
		for n, item := range v {
			parts[n], _ = shown(item)
		}
		return strings.Join(parts, "; "), ""
	case credentials.Object:
		var parts []string
		for _, name := range v.Names() {
			part, _ := shown(v[name])
			parts = append(parts, name+": "+part)
		}
		return strings.Join(parts, ", "), ""
	}
	return fmt.Sprint(v.JSON()), ""
}

package register

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/issuer/source"
)

// lookup is a question.
type lookup struct {
	RequestID string    `json:"request_id"`
	Pseudonym string    `json:"pseudonym,omitempty"`
	Person    described `json:"person"`
	Claims    []string  `json:"claims"`
}

type described struct {
	Name      *written `json:"name"`
	Address   *written `json:"address,omitempty"`
	BirthDate string   `json:"birth_date,omitempty"`
	Sex       int      `json:"sex"`
}

type written struct {
	Written     string `json:"written"`
	Normalized  string `json:"normalized"`
	Substitutes string `json:"substitutes,omitempty"`
}

func writtenOf(text, substitutes string) *written {
	if text == "" {
		return nil
	}
	return &written{Written: text, Normalized: Normalized(text), Substitutes: substitutes}
}

func dateText(d *credentials.FullDate) string {
	if d == nil {
		return ""
	}
	return d.String()
}

// The results of a lookup.
const (
	resultFound     = "found"
	resultNone      = "none"
	resultAmbiguous = "ambiguous"
)

// answer is an answer that was checked as far as it can be without knowing the
// person and the time.
type answer struct {
	RequestID string   `json:"request_id"`
	Result    string   `json:"result"`
	AsOf      string   `json:"as_of"`
	Person    recorded `json:"person"`

	asOf   time.Time
	claims source.Claims
}

// recorded are the four attributes as a record has them.
type recorded struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	BirthDate string `json:"birth_date"`
	Sex       int    `json:"sex"`
}

// timeFormat is RFC 3339 in UTC and whole seconds.
const timeFormat = "2006-01-02T15:04:05Z"

// parseAnswer reads the answer to a lookup. Errors wrap [ErrAnswer].
func parseAnswer(raw []byte, q *lookup) (*answer, error) {
	tree, err := jose.DecodeValue(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	var a answer
	if err := jose.UnmarshalJSON(raw, &a); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if a.RequestID != q.RequestID {
		return nil, fmt.Errorf("%w: it answers another request", ErrAnswer)
	}
	if a.Result == resultNone || a.Result == resultAmbiguous {
		return &a, members(tree, []string{"request_id", "result"})
	}
	if a.Result != resultFound {
		return nil, fmt.Errorf("%w: a result that is not known", ErrAnswer)
	}
	if err := members(tree, []string{"as_of", "claims", "person", "request_id", "result"}); err != nil {
		return nil, err
	}
	object := tree.(credentials.Object) //nolint:forcetypeassert // members has looked
	if err := members(object["person"], []string{"name", "sex"}, "address", "birth_date"); err != nil {
		return nil, err
	}
	if a.asOf, err = time.Parse(timeFormat, a.AsOf); err != nil {
		return nil, fmt.Errorf("%w: as_of is no time in UTC", ErrAnswer)
	}
	a.claims, err = claimsOf(object["claims"], q.Claims)
	return &a, err
}

// members demands that a value is an object with all of the needed members and
// none beside them and the optional ones.
func members(v credentials.Value, needed []string, optional ...string) error {
	object, ok := v.(credentials.Object)
	if !ok {
		return fmt.Errorf("%w: not an object", ErrAnswer)
	}
	for _, name := range needed {
		if _, ok := object[name]; !ok {
			return fmt.Errorf("%w: %s is missing", ErrAnswer, name)
		}
	}
	for name := range object {
		if !slices.Contains(needed, name) && !slices.Contains(optional, name) {
			return fmt.Errorf("%w: a member that is not known", ErrAnswer)
		}
	}
	return nil
}

// claimName is what names of claims look like.
var claimName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,99}$`)

// parseKnown reads the list of claims.
func parseKnown(raw []byte) ([]string, error) {
	tree, err := jose.DecodeValue(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if err := members(tree, []string{"claims"}); err != nil {
		return nil, err
	}
	var list struct {
		Claims []string `json:"claims"`
	}
	if err := jose.UnmarshalJSON(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	for _, name := range list.Claims {
		if !claimName.MatchString(name) {
			return nil, fmt.Errorf("%w: a name that is none", ErrAnswer)
		}
	}
	return list.Claims, nil
}

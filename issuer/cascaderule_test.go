package issuer

import (
	"errors"
	"testing"
	"time"
)

func TestCascadeRules(t *testing.T) {
	t.Parallel()
	configurations, err := WithCascade(Identity(), map[string]CascadeRule{
		IdentityVCT: {Stand: []string{"superseded", "certificate_hold"}}, IdentityDoctype: {None: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	falls := Cascade(configurations)
	for _, reason := range CascadeReasons() {
		if got, want := falls(IdentityVCT, reason), reason != "superseded" && reason != "certificate_hold"; got != want {
			t.Errorf("%s: falls %t", reason, got)
		}
		if falls(IdentityDoctype, reason) {
			t.Errorf("%s: a type that does not cascade falls", reason)
		}
		if !falls("urn:other", reason) || !Cascade(Identity())(IdentityVCT, reason) {
			t.Errorf("%s: without a rule it stands", reason)
		}
	}
	for code := range 11 {
		found := false
		for _, reason := range CascadeReasons() {
			found = found || reason == reasonName(code)
		}
		if !found {
			t.Errorf("reason %d is called %q", code, reasonName(code))
		}
	}
	for name, rules := range map[string]map[string]CascadeRule{
		"unknown type":     {"urn:other": {}},
		"unknown reason":   {IdentityVCT: {Stand: []string{"moved"}}},
		"reason twice":     {IdentityVCT: {Stand: []string{"superseded", "superseded"}}},
		"none and reasons": {IdentityVCT: {None: true, Stand: []string{"superseded"}}},
	} {
		if _, err := WithCascade(Identity(), rules); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What does not fall with its evidence is gone within 24 hours, on a grid that
// tells nothing.
func TestUncascadedLife(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 34, 56, 0, time.UTC)
	i := &Issuer{cfg: Config{MaxValidity: 31 * 24 * time.Hour}}
	never := &Configuration{Cascade: CascadeRule{None: true}}
	far := now.AddDate(1, 0, 0)
	hour := func(n int) time.Time { return time.Date(2026, 11, 23, 12+n, 0, 0, 0, time.UTC) }
	got, err := i.ends(never, now, far, now.Add(30*time.Hour))
	if err != nil || !got.Equal(hour(24)) || got.Sub(now) > 24*time.Hour {
		t.Errorf("until %v, %v", got, err)
	}
	if got, err := i.ends(never, now, hour(10).Add(time.Minute)); err != nil || !got.Equal(hour(10)) {
		t.Errorf("until %v, %v, with a signer that ends in ten hours", got, err)
	}
	// An end taken from the certificate would tell the holder's birthday.
	if got, err := i.ends(never, now, far, now.Add(20*time.Hour)); !errors.Is(err, errNoBoundary) {
		t.Errorf("until %v, %v, for a certificate that ends before", got, err)
	}
	if got, err := i.ends(never, now, now.Add(time.Hour)); !errors.Is(err, errNoBoundary) {
		t.Errorf("until %v, %v, with a signer that is about to end", got, err)
	}
	if got, err := i.ends(&Configuration{}, now, far); err != nil || got.Sub(now) < 7*24*time.Hour {
		t.Errorf("a type that falls: until %v, %v", got, err)
	}
}

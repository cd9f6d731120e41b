package status_test

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/status"
)

// identifiersAnnexD is the list printed in ISO/IEC 18013-5 annex D.7, changed
// by others so that members nobody knows stand beside two identifiers.
const identifiersAnnexD = "A26B6964656E74696669657273A342ABCDA042AAAAA1646E6F7465A042CCCCA107A06F6167677265676174696F6E5F7572" +
	"69782F68747470733A2F2F6578616D706C652E636F6D2F6964656E7469666965726C697374732F6167677265676174696F6E"

// claimsIdentifiers returns the honest payload of an identifier list.
func claimsIdentifiers(t testing.TB) map[any]any {
	t.Helper()
	list, err := hex.DecodeString(identifiersAnnexD)
	if err != nil {
		t.Fatal(err)
	}
	return map[any]any{2: listURI, 6: start.Unix(), 4: start.Add(24 * time.Hour).Unix(), 65534: 600, 65530: cose.RawMessage(list)}
}

func TestIdentifierList(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	good := claimsIdentifiers(t)
	for name, tt := range map[string]struct {
		identifier, typ string
		payload         map[any]any
		media           string
		want            status.Value
		wantErr         error
	}{
		"TV-24 on the list":                {"\xcc\xcc", status.IdentifierMediaType, good, status.IdentifierMediaType, status.Invalid, nil},
		"TV-24 beside an unknown member":   {"\xaa\xaa", status.IdentifierMediaType, good, status.IdentifierMediaType, status.Invalid, nil},
		"TV-24 not on the list":            {"\xcc", status.IdentifierMediaType, good, status.IdentifierMediaType, status.Valid, nil},
		"T03 another list":                 {"\xcc\xcc", status.IdentifierMediaType, withCWT(good, 2, "https://status.example/lists/2"), status.IdentifierMediaType, 0, status.ErrToken},
		"T03 expired":                      {"\xcc\xcc", status.IdentifierMediaType, withCWT(good, 4, start.Unix()), status.IdentifierMediaType, 0, status.ErrExpired},
		"T03 no list":                      {"\xcc\xcc", status.IdentifierMediaType, withCWT(good, 65530, nil), status.IdentifierMediaType, 0, status.ErrToken},
		"T03 list of texts":                {"\xcc\xcc", status.IdentifierMediaType, withCWT(good, 65530, map[string]any{"identifiers": map[string]any{"\x20": 1}}), status.IdentifierMediaType, 0, status.ErrToken},
		"T03 typ of a status list":         {"\xcc\xcc", status.CWTMediaType, good, status.IdentifierMediaType, 0, status.ErrToken},
		"T04 served as a status list":      {"\xcc\xcc", status.IdentifierMediaType, good, status.CWTMediaType, 0, status.ErrUnavailable},
		"T05 a status list where asked so": {"\xcc\xcc", status.IdentifierMediaType, claimsCWT(t), status.IdentifierMediaType, 0, status.ErrToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fetched := 0
			checker := &status.Checker{Policy: p.policy, Now: func() time.Time { return start }, Fetch: func(_ context.Context, _ string, accept ...string) ([]byte, string, error) {
				fetched++
				if len(accept) != 1 || accept[0] != status.IdentifierMediaType {
					return nil, "", errors.New("asked for something else")
				}
				return p.signCWT(t, tt.typ, tt.payload), tt.media, nil
			}}
			ref := credentials.StatusRef{URI: listURI, Identifier: tt.identifier}
			for range 2 {
				got, err := checker.Check(t.Context(), ref)
				if got.Value != tt.want || !errors.Is(err, tt.wantErr) || (err == nil) != (tt.wantErr == nil) {
					t.Errorf("%v, %v", got.Value, err)
				}
			}
			if fetched != 1 {
				t.Errorf("T06: %d fetches", fetched)
			}
		})
	}
}

// TestListsOfTwoKinds holds that one address may serve both kinds, and that
// neither speaks for the other.
func TestListsOfTwoKinds(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	checker := &status.Checker{Policy: p.policy, Now: func() time.Time { return start }, Fetch: func(_ context.Context, _ string, accept ...string) ([]byte, string, error) {
		if accept[0] == status.IdentifierMediaType {
			return p.signCWT(t, accept[0], claimsIdentifiers(t)), accept[0], nil
		}
		return p.signCWT(t, status.CWTMediaType, claimsCWT(t)), status.CWTMediaType, nil
	}}
	for ref, want := range map[credentials.StatusRef]status.Value{
		{URI: listURI, Index: 5}: status.Invalid, {URI: listURI, Index: 4}: status.Valid,
		{URI: listURI, Identifier: "\xab\xcd"}: status.Invalid, {URI: listURI, Identifier: "\x05"}: status.Valid,
	} {
		if got, err := checker.Check(t.Context(), ref); err != nil || got.Value != want {
			t.Errorf("%+v: %v, %v", ref, got.Value, err)
		}
	}
}

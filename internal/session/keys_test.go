package session_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/session"
)

func TestKeysRoundTrip(t *testing.T) {
	t.Parallel()
	keys, err := session.NewKeys(session.NewSecret(), 7, map[session.KeyID]session.Secret{
		3: session.NewSecret(), 7: session.NewSecret(), 12: session.NewSecret(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []session.Keys{keys, session.NewRandomKeys()} {
		text := append([]byte("# session keys\n\n"), k.Encode()...)
		parsed, err := session.ParseKeys(text)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(parsed.Encode(), k.Encode()) {
			t.Error("parsed keys differ")
		}
	}
}

func TestParseKeysRefuses(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("A", 42)+"E", strings.Repeat("B", 42)+"A"
	good := "name " + a + "\nseal 1 " + b + " current\n"
	if _, err := session.ParseKeys([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":              "",
		"no name":            "seal 1 " + b + " current",
		"two names":          good + "name " + a,
		"no current":         "name " + a + "\nseal 1 " + b,
		"two current":        good + "seal 2 " + strings.Repeat("C", 42) + "A current",
		"repeated id":        good + "seal 1 " + strings.Repeat("C", 42) + "A",
		"same secret":        "name " + a + "\nseal 1 " + a + " current",
		"zero name":          "name " + strings.Repeat("A", 43) + "\nseal 1 " + b + " current",
		"zero seal":          "name " + a + "\nseal 1 " + strings.Repeat("A", 43) + " current",
		"short":              "name " + a[:42] + "\nseal 1 " + b + " current",
		"long":               "name " + a + "AA\nseal 1 " + b + " current",
		"trailing bits":      "name " + a[:42] + "F\nseal 1 " + b + " current",
		"negative id":        "name " + a + "\nseal -1 " + b + " current",
		"large id":           "name " + a + "\nseal 4294967296 " + b + " current",
		"unknown word":       good + "salt " + a,
		"unknown mark":       "name " + a + "\nseal 1 " + b + " old",
		"words after a name": "name " + a + " current\nseal 1 " + b + " current",
	} {
		_, err := session.ParseKeys([]byte(text))
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), a[:20]) || strings.Contains(err.Error(), b[:20]) {
			t.Errorf("%s: the error tells the secret", name)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	secret := session.Secret{'c', 'a', 'n', 'a', 'r', 'y'}
	keys, err := session.NewKeys(secret, 1, map[session.KeyID]session.Secret{1: session.NewSecret()})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", secret, "keys", keys)
	fmt.Fprintf(&out, "%v %+v %#v %s %x %v %+v %#v", secret, secret, secret, secret, secret, keys, keys, keys)
	for _, leak := range []string{"canary", "99 97 110", "0x63", "63616e617279"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("printed %q in %s", leak, &out)
		}
	}
}

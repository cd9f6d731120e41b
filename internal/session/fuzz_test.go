package session_test

import (
	"bytes"
	"testing"

	"github.com/tegata-id/tegata/internal/session"
)

// FuzzKeys: keys that are accepted come back the same.
func FuzzKeys(f *testing.F) {
	f.Add(session.NewRandomKeys().Encode())
	f.Add([]byte("# comment\nname AA\nseal 1 AA current\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := session.ParseKeys(data)
		if err != nil {
			return
		}
		again, err := session.ParseKeys(keys.Encode())
		if err != nil || !bytes.Equal(again.Encode(), keys.Encode()) {
			t.Errorf("do not come back: %v", err)
		}
	})
}

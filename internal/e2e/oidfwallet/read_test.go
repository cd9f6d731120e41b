package oidfwallet_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// object is a JSON object.
type object = wire.Object

// only reports whether an object has these members and no others.
func only(o object, names ...string) bool {
	n := 0
	for _, name := range names {
		if _, ok := o[name]; ok {
			n++
		}
	}
	return n == len(o)
}

func parse(data []byte) (object, error) {
	var o object
	return o, json.Unmarshal(data, &o)
}

// readJWS returns header and claims of a JWS of a type.
func readJWS(typ, jws string) (header, claims object, err error) {
	header, claims, err = wire.ReadJWS(jws)
	if err == nil && (wire.Text(header, "typ") != typ || wire.Text(header, "alg") != "ES256") {
		err = fmt.Errorf("header %v, want %s by ES256", header, typ)
	}
	return header, claims, err
}

// leafOf returns the key of the leaf in an x5c that leads to the root.
func leafOf(header object, root *x509.Certificate) (*ecdsa.PublicKey, error) {
	chain, err := wire.ReadX5C(header)
	if err != nil {
		return nil, err
	}
	_, key, err := wire.Leaf(chain, root, time.Now())
	return key, err
}

// disclosed returns name and value of the disclosures of a presentation.
func disclosed(presentation string) (jwt, kb string, out map[string]string, err error) {
	parts := strings.Split(presentation, "~")
	out = map[string]string{}
	for _, d := range parts[1 : len(parts)-1] {
		raw, err := wire.UnB64(d)
		if err != nil {
			return "", "", nil, err
		}
		var members []string
		if err := json.Unmarshal(raw, &members); err != nil {
			return "", "", nil, err
		}
		out[members[1]] = members[2]
	}
	return parts[0], parts[len(parts)-1], out, nil
}

package oidfwallet_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
)

func (p pairs) get(key any) any {
	for _, pair := range p {
		if pair[0] == key {
			return pair[1]
		}
	}
	return nil
}

var errCBOR = errors.New("not the CBOR of an mdoc")

// readCBOR reads one item and nothing after it.
func readCBOR(data []byte) (any, error) {
	r := &reader{data: data}
	v, err := r.value()
	if err == nil && r.at != len(data) {
		err = errCBOR
	}
	return v, err
}

// reader reads what cbor writes.
type reader struct {
	data []byte
	at   int
}

func (r *reader) head() (major byte, n uint64, err error) {
	if r.at >= len(r.data) {
		return 0, 0, errCBOR
	}
	first := r.data[r.at]
	r.at++
	major, n = first>>5, uint64(first&31)
	if n < 24 {
		return major, n, nil
	}
	size := 1 << (n - 24)
	if n > 27 || r.at+size > len(r.data) {
		return 0, 0, errCBOR
	}
	var wide [8]byte
	copy(wide[8-size:], r.data[r.at:r.at+size])
	r.at += size
	return major, binary.BigEndian.Uint64(wide[:]), nil
}

func (r *reader) value() (any, error) {
	major, n, err := r.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case 0:
		return int(n), nil
	case 1:
		return -1 - int(n), nil
	case 2, 3:
		if n > uint64(len(r.data)-r.at) {
			return nil, errCBOR
		}
		content := r.data[r.at : r.at+int(n)]
		r.at += int(n)
		if major == 3 {
			return string(content), nil
		}
		return content, nil
	case 4, 5:
		return r.items(major, n)
	case 6:
		content, err := r.value()
		return tagged{n, content}, err
	}
	return map[uint64]any{20: false, 21: true}[n], nil
}

func (r *reader) items(major byte, n uint64) (any, error) {
	list, table := []any{}, pairs{}
	for range n {
		item, err := r.value()
		if err != nil {
			return nil, err
		}
		if major == 4 {
			list = append(list, item)
			continue
		}
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		table = append(table, [2]any{item, value})
	}
	if major == 4 {
		return list, nil
	}
	return table, nil
}

// embedded reads what embed wrote.
func embedded(v any) (any, error) {
	tag, _ := v.(tagged)
	raw, ok := tag.value.([]byte)
	if !ok || tag.number != 24 {
		return nil, errCBOR
	}
	return readCBOR(raw)
}

// disclosed returns name and value of the disclosures of a presentation.
func disclosed(presentation string) (jwt, kb string, out map[string]string, err error) {
	parts := strings.Split(presentation, "~")
	out = map[string]string{}
	for _, d := range parts[1 : len(parts)-1] {
		raw, err := b64.DecodeString(d)
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

// spoil changes the signature at the end.
func spoil(jws string) string {
	at := strings.LastIndexByte(jws, '.') + 10
	other := "A"
	if jws[at] == 'A' {
		other = "B"
	}
	return jws[:at] + other + jws[at+1:]
}

package status

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/jose"
)

// The sizes that reading a list accepts, in bytes. Four MiB are 33 million
// entries of one bit.
const (
	MaxCompressedSize = 1 << 20
	MaxListSize       = 4 << 20
)

var (
	// ErrList says that a status list is malformed or too large.
	ErrList = errors.New("malformed or oversized status list")
	// ErrIndex says that an index lies outside the list.
	ErrIndex = errors.New("status index is out of range")
)

// List is an array of statuses of 1, 2, 4 or 8 bits each, packed from the least
// significant bit of each byte (section 4.1). It is not safe for concurrent
// writing.
type List struct {
	bits int
	size uint64
	data []byte
	// compressed is remembered, because the best compression is dear and a list
	// goes into tokens of more than one form.
	compressed atomic.Pointer[[]byte]
}

// NewList returns a list of size entries of the given number of bits, all of
// them [Valid].
func NewList(size, bits int) (*List, error) {
	if !validBits(bits) {
		return nil, fmt.Errorf("%w: %d bits for an entry", ErrList, bits)
	}
	if size < 1 || size > MaxListSize*8/bits {
		return nil, fmt.Errorf("%w: %d entries", ErrList, size)
	}
	return &List{bits: bits, size: uint64(size), data: make([]byte, (size*bits+7)/8)}, nil
}

// FromBits returns a one-bit list of n entries over packed, which is kept and
// not copied. Bytes that packed lacks count as zero; what it has beyond n
// entries is cut off, to the byte.
func FromBits(packed []byte, n int) *List {
	n = max(n, 0)
	length := (n + 7) / 8
	if len(packed) < length {
		packed = append(bytes.Clone(packed), make([]byte, length-len(packed))...)
	}
	return &List{bits: 1, size: uint64(n), data: packed[:length:length]}
}

func validBits(bits int) bool { return bits == 1 || bits == 2 || bits == 4 || bits == 8 }

// Bits returns the size of an entry: 1, 2, 4 or 8.
func (l *List) Bits() int { return l.bits }

// Len returns the number of entries. A list that was read has as many as fit
// into its bytes.
func (l *List) Len() uint64 { return l.size }

// Bytes returns the packed entries. They belong to the list.
func (l *List) Bytes() []byte { return l.data }

// Get returns the status at the index, or [ErrIndex].
func (l *List) Get(index uint64) (Value, error) {
	if index >= l.size {
		return 0, ErrIndex
	}
	at, shift, mask := l.locate(index)
	return Value(l.data[at] >> shift & mask), nil
}

// Set writes the status at the index. It fails with [ErrIndex], or if the value
// does not fit the entry size.
func (l *List) Set(index uint64, v Value) error {
	if index >= l.size {
		return ErrIndex
	}
	at, shift, mask := l.locate(index)
	if byte(v) > mask {
		return fmt.Errorf("%w: status %s does not fit into %d bits", ErrList, v, l.bits)
	}
	l.data[at] = l.data[at]&^(mask<<shift) | byte(v)<<shift
	l.compressed.Store(nil)
	return nil
}

func (l *List) locate(index uint64) (at, shift uint64, mask byte) {
	perByte := uint64(8 / l.bits)
	return index / perByte, index % perByte * uint64(l.bits), byte(1<<l.bits - 1)
}

// Compress returns the packed entries in the ZLIB format (RFC 1950), at the
// highest level.
func (l *List) Compress() ([]byte, error) {
	if done := l.compressed.Load(); done != nil {
		return bytes.Clone(*done), nil
	}
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress status list: %w", err)
	}
	if _, err := w.Write(l.data); err != nil {
		return nil, fmt.Errorf("compress status list: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress status list: %w", err)
	}
	if out.Len() > MaxCompressedSize {
		return nil, fmt.Errorf("%w: %d bytes compressed", ErrList, out.Len())
	}
	done := out.Bytes()
	l.compressed.Store(&done)
	return bytes.Clone(done), nil
}

// Decompress reads a list in the ZLIB format. Raw DEFLATE, gzip, preset
// dictionaries, data after the stream and more than [MaxListSize] bytes are
// errors that wrap [ErrList].
func Decompress(compressed []byte, bits int) (*List, error) {
	if !validBits(bits) {
		return nil, fmt.Errorf("%w: %d bits for an entry", ErrList, bits)
	}
	if len(compressed) > MaxCompressedSize {
		return nil, fmt.Errorf("%w: %d bytes compressed", ErrList, len(compressed))
	}
	in := bytes.NewReader(compressed)
	r, err := zlib.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%w: not in the ZLIB format", ErrList)
	}
	// One byte more than allowed tells a list at the limit from one beyond it.
	// Reading to the end also makes the reader check the checksum.
	data, err := io.ReadAll(io.LimitReader(r, MaxListSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: damaged ZLIB stream", ErrList)
	case len(data) > MaxListSize:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrList, MaxListSize)
	case len(data) == 0:
		return nil, fmt.Errorf("%w: no entries", ErrList)
	case in.Len() != 0:
		return nil, fmt.Errorf("%w: data after the ZLIB stream", ErrList)
	}
	return &List{bits: bits, size: uint64(len(data)) * uint64(8/bits), data: data}, nil
}

// listJSON is the member status_list of a token (section 4.2).
type listJSON struct {
	Bits        int    `json:"bits"`
	List        string `json:"lst"`
	Aggregation string `json:"aggregation_uri,omitempty"`
}

func (l *List) json(aggregation string) (*listJSON, error) {
	compressed, err := l.Compress()
	if err != nil {
		return nil, err
	}
	return &listJSON{Bits: l.bits, List: jose.EncodeBase64(compressed), Aggregation: aggregation}, nil
}

func (j *listJSON) decode() (*List, error) {
	// The cap comes before the base64 decoder allocates.
	if len(j.List) > MaxCompressedSize/3*4+4 {
		return nil, fmt.Errorf("%w: too large", ErrList)
	}
	compressed, err := jose.DecodeBase64(j.List)
	if err != nil {
		return nil, fmt.Errorf("%w: lst: %w", ErrList, err)
	}
	return Decompress(compressed, j.Bits)
}

// ParseJSON reads a list in JSON form (section 4.2).
func ParseJSON(data []byte) (*List, error) {
	var j listJSON
	if err := jose.UnmarshalJSON(data, &j); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	return j.decode()
}

// listCBOR is a list in CBOR form (section 4.3).
type listCBOR struct {
	Bits        int        `cbor:"bits"`
	List        cose.Bytes `cbor:"lst"`
	Aggregation string     `cbor:"aggregation_uri,omitempty"`
}

func (l *List) cbor(aggregation string) (*listCBOR, error) {
	compressed, err := l.Compress()
	if err != nil {
		return nil, err
	}
	return &listCBOR{Bits: l.bits, List: compressed, Aggregation: aggregation}, nil
}

func (c *listCBOR) decode() (*List, error) { return Decompress(c.List, c.Bits) }

// ParseCBOR reads a list in CBOR form (section 4.3).
func ParseCBOR(data []byte) (*List, error) {
	var c listCBOR
	if err := cose.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	return c.decode()
}

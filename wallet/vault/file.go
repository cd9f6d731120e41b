package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/crypto/scrypt"

	"github.com/tegata-id/tegata/credentials/jose"
)

// Errors of [Open].
var (
	// ErrPassphrase says that the passphrase is wrong, or that the file was
	// changed by somebody who does not have it: the two look alike.
	ErrPassphrase = errors.New("the passphrase is wrong, or the file is damaged")
	// ErrFile says that the file is no vault.
	ErrFile = errors.New("the file is not a vault")
	// ErrInUse says that another process has the vault open.
	ErrInUse = errors.New("another process has the vault open")
)

// magic is the first line of a vault; the number is the version of the format.
const magic = "tegata-vault 1"

// maxFile bounds what is read: far more than a person can hold.
const maxFile = 256 << 20

// header is the second line. It is authenticated together with the content.
type header struct {
	Salt []byte `json:"salt"`
	// N, R and P are the cost of scrypt (RFC 7914).
	N int `json:"n"`
	R int `json:"r"`
	P int `json:"p"`
}

// The cost of new vaults, and the most that a file may ask for: 1 GiB.
const (
	costN, costR, costP = 1 << 15, 8, 1
	maxN                = 1 << 20
)

// sealedFile is a file that is replaced as a whole.
type sealedFile struct {
	path string
	lock *os.File
	head []byte // both lines
	aead cipher.AEAD
}

// openFile opens or makes the file. content is nil for a new one.
func openFile(path string, passphrase []byte) (f *sealedFile, content []byte, err error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, nil, err
	}
	f = &sealedFile{path: path, lock: lock}
	if content, err = f.open(passphrase); err != nil {
		return nil, nil, errors.Join(err, f.close())
	}
	return f, content, nil
}

// open prepares the cipher and reads the content, nil of a file that is not
// there.
func (f *sealedFile) open(passphrase []byte) (content []byte, err error) {
	data, err := readFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, f.begin(passphrase)
	}
	if err != nil {
		return nil, err
	}
	h, size, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	f.head = data[:size]
	if f.aead, err = h.derive(passphrase); err != nil {
		return nil, err
	}
	sealed := data[size:]
	if len(sealed) < f.aead.NonceSize() {
		return nil, ErrFile
	}
	nonce, sealed := sealed[:f.aead.NonceSize()], sealed[f.aead.NonceSize():]
	if content, err = f.aead.Open(nil, nonce, sealed, f.head); err != nil {
		return nil, ErrPassphrase
	}
	return content, nil
}

// begin prepares a new file.
func (f *sealedFile) begin(passphrase []byte) error {
	h := header{Salt: make([]byte, 16), N: costN, R: costR, P: costP}
	_, _ = rand.Read(h.Salt) // never fails
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f.head = fmt.Appendf(nil, "%s\n%s\n", magic, line)
	f.aead, err = h.derive(passphrase)
	return err
}

func readHeader(data []byte) (h header, size int, err error) {
	first, rest, ok := bytes.Cut(data, []byte{'\n'})
	second, _, more := bytes.Cut(rest, []byte{'\n'})
	if !ok || !more || string(first) != magic || jose.UnmarshalJSON(second, &h) != nil {
		return h, 0, ErrFile
	}
	if len(h.Salt) < 16 || h.N < 2 || h.N > maxN || h.N&(h.N-1) != 0 || h.R != costR || h.P != costP {
		return h, 0, ErrFile
	}
	return h, len(first) + len(second) + 2, nil
}

func (h header) derive(passphrase []byte) (cipher.AEAD, error) {
	key, err := scrypt.Key(passphrase, h.Salt, h.N, h.R, h.P, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// write replaces the content. After a failure, or the end of the process at any
// moment, the file holds either the old content or the new one.
func (f *sealedFile) write(content []byte) error {
	nonce := make([]byte, f.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	data := append(bytes.Clone(f.head), nonce...)
	data = f.aead.Seal(data, nonce, content, f.head)
	next, err := os.OpenFile(f.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = next.Write(data)
	if err := errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), f.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

func (f *sealedFile) close() error { return f.lock.Close() }

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, ErrFile
	}
	return data, nil
}

// lockFile takes a lock that ends with the process. It is on a file of its own,
// because the vault's is replaced.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncDir makes a rename durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

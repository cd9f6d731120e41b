package status

import (
	"errors"
	"net/url"

	"github.com/tegata-id/tegata/credentials"
)

// ErrReference says that a credential's status claim cannot be used.
var ErrReference = errors.New("malformed or unknown status reference")

// ParseReference reads the status claim of a credential, {"status_list":
// {"idx", "uri"}} (section 6.2). A claim that names another mechanism, alone or
// beside the list, is an error: a credential whose status cannot be known in
// full must not count as valid. Errors wrap [ErrReference].
func ParseReference(claim credentials.Value) (*credentials.StatusRef, error) {
	object, ok := claim.(credentials.Object)
	if !ok || len(object) != 1 {
		return nil, ErrReference
	}
	list, ok := object["status_list"].(credentials.Object)
	if !ok {
		return nil, ErrReference
	}
	index, ok := list["idx"].(credentials.Int)
	if !ok || index < 0 {
		return nil, ErrReference
	}
	uri, ok := list["uri"].(credentials.Text)
	if !ok || CheckURI(string(uri)) != nil {
		return nil, ErrReference
	}
	return &credentials.StatusRef{URI: string(uri), Index: uint64(index)}, nil
}

// CheckURI reports an error that wraps [ErrReference] unless the text can name
// a status list: an absolute https URI with a host, and without user
// information or a fragment.
func CheckURI(uri string) error {
	const maxURI = 2048
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxURI || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return ErrReference
	}
	return nil
}

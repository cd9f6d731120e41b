package oauth

import (
	"errors"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
)

// codeInvalidRequestURI is of RFC 9101 section 7; the other codes are in
// package openid4vci.
const codeInvalidRequestURI = "invalid_request_uri"

// refuse returns what a client is told, with the cause for the log.
func refuse(code, description string, cause error) *openid4vci.Error {
	e := openid4vci.NewError(code, description)
	e.Err = cause
	return e
}

// stored turns an error of the session store into the response to a client
// whose secret was not found, or into 503 if the store could not be asked.
func stored(err error, code, description string) *openid4vci.Error {
	switch {
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrConflict), errors.Is(err, session.ErrExists):
		return refuse(code, description, err)
	default:
		return unavailable(err)
	}
}

func unavailable(err error) *openid4vci.Error {
	return refuse(openid4vci.CodeTemporarilyUnavailable, "try again later", err)
}

package httpd

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// contentSecurityPolicy is what pages may do unless they widen it: scripts,
// styles and images from here only, nothing inline, no framing.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// prepare sets the headers that every answer has until its handler says
// otherwise, and puts the limit around the body.
func (s *Server) prepare(next echo.HandlerFunc) echo.HandlerFunc {
	transport := "max-age=" + strconv.Itoa(strictTransportSeconds) + "; includeSubDomains"
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", contentSecurityPolicy)
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		if s.origin.Scheme == "https" {
			header.Set("Strict-Transport-Security", transport)
		}
		request := c.Request()
		body := &limitedBody{body: request.Body, limit: s.options.MaxBody, length: request.ContentLength, response: c.Response()}
		eventOf(c).body = body
		request.Body = body
		return next(c)
	}
}

// AllowFormTarget lets the forms of this answer's page end in a redirect to the
// targets, a client's redirect_uri or a wallet's custom scheme: browsers apply
// form-action to redirects too. Only scheme, host and port of a target reach
// the header.
func AllowFormTarget(c echo.Context, targets ...string) error {
	policy := contentSecurityPolicy
	for _, target := range targets {
		u, err := url.Parse(target)
		if err != nil || u.Scheme == "" {
			return errors.New("the target of a form is not a URL with a scheme")
		}
		source := u.Scheme + ":"
		if u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
			source = u.Scheme + "://" + u.Host
		}
		if strings.ContainsAny(source, " ;,'\"*") {
			return errors.New("the target of a form has a host that does not fit a policy")
		}
		policy += " " + source
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	return nil
}

// corsHeaders are the request headers that the protocols use from browsers, and
// corsExposed the response headers that scripts may read.
const (
	corsHeaders = "Authorization, Content-Type, DPoP, OAuth-Client-Attestation, OAuth-Client-Attestation-PoP"
	corsExposed = "DPoP-Nonce, OAuth-Client-Attestation-Challenge, Retry-After, WWW-Authenticate, X-Request-Id"
)

// CORS returns a middleware for the public endpoints of the protocols: pages of
// every origin may call them and read the answer, always without cookies. Mount
// Preflight beside routes that take more than simple requests.
func CORS() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			allowOrigins(c.Response().Header())
			return next(c)
		}
	}
}

// Preflight returns the handler for OPTIONS on a path with CORS.
func Preflight(methods ...string) echo.HandlerFunc {
	allowed := strings.Join(methods, ", ")
	return func(c echo.Context) error {
		header := c.Response().Header()
		allowOrigins(header)
		header.Set("Access-Control-Allow-Methods", allowed)
		header.Set("Access-Control-Allow-Headers", corsHeaders)
		header.Set("Access-Control-Max-Age", "600")
		return c.NoContent(http.StatusNoContent)
	}
}

func allowOrigins(header http.Header) {
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", corsExposed)
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// SameOrigin returns a middleware for routes that pages post to: a browser's
// request from another origin is refused with 403. Requests that say nothing
// about their origin do not come from a browser and pass.
func (s *Server) SameOrigin() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := s.cross.Check(c.Request()); err != nil {
				return &Error{Status: http.StatusForbidden, Code: CodeCrossOrigin,
					Description: "the request comes from a page of another origin", Cause: err}
			}
			return next(c)
		}
	}
}

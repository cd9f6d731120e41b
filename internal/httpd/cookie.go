package httpd

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// CookieName returns the name of a role's and tenant's cookie. The prefix makes
// browsers insist on Secure, the whole host and the path "/" (RFC 6265bis
// section 4.1.3.2), so that tenants, which share a host, are told apart by name.
// Different arguments always give different names.
func CookieName(role, tenant, purpose string) string {
	return "__Host-" + cookiePart(role) + "." + cookiePart(tenant) + "." + cookiePart(purpose)
}

// cookiePart escapes what is not a letter, digit, hyphen or underscore.
func cookiePart(part string) string {
	var b strings.Builder
	for i := range len(part) {
		ch := part[i]
		if ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || ch == '-' || ch == '_' {
			b.WriteByte(ch)
		} else {
			fmt.Fprintf(&b, "~%02x", ch)
		}
	}
	return b.String()
}

// Cookie is a cookie to set. It is always Secure, HttpOnly and for the host
// alone.
type Cookie struct {
	// Name comes from CookieName.
	Name string
	// Value consists of base64url characters.
	Value string
	// Lifetime is rounded down to seconds; zero makes it end with the browser.
	Lifetime time.Duration
	// Strict is for cookies that no arrival from another site needs. Without
	// it the cookie is SameSite=Lax and comes along with links and redirects.
	Strict bool
}

// SetCookie adds the cookie to the answer.
func SetCookie(c echo.Context, cookie Cookie) {
	setCookie(c, cookie, int(cookie.Lifetime/time.Second))
}

// ClearCookie makes the browser forget a cookie.
func ClearCookie(c echo.Context, name string) {
	setCookie(c, Cookie{Name: name}, -1)
}

func setCookie(c echo.Context, cookie Cookie, maxAge int) {
	sameSite := http.SameSiteLaxMode
	if cookie.Strict {
		sameSite = http.SameSiteStrictMode
	}
	http.SetCookie(c.Response(), &http.Cookie{
		Name: cookie.Name, Value: cookie.Value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: sameSite,
	})
}

// ReadCookie returns the value of the cookie. A name that comes twice counts as
// absent: one of the two was put there by somebody else.
func ReadCookie(c echo.Context, name string) (string, bool) {
	cookies := c.Request().CookiesNamed(name)
	if len(cookies) != 1 || cookies[0].Value == "" {
		return "", false
	}
	return cookies[0].Value, true
}

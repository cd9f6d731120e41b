package e2e_test

import (
	"bytes"
	"crypto/ecdsa"

	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// individualNumber passes the check digit.
const individualNumber = "983205673214"

// observed is a deployment of which everything is kept that comes out of it
// beside what the protocols send.
type observed struct {
	*deployment
	redis   string
	spans   *tracetest.InMemoryExporter
	monitor *logBuffer
	errors  *errorBodies
	secrets map[string]string
}

func observe(t *testing.T) *observed {
	t.Helper()
	o := &observed{redis: sessiontest.StartRedis(t), spans: tracetest.NewInMemoryExporter(), monitor: &logBuffer{}, secrets: map[string]string{}}
	connection, err := net.Dial("tcp", o.redis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if _, err := io.WriteString(connection, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(o.monitor, connection) }()
	o.deployment = deploy(t, deployOptions{redis: o.redis, spans: o.spans})
	o.errors = &errorBodies{next: o.http.Transport}
	o.http.Transport = o.errors
	o.secrets["the Individual Number"] = individualNumber
	o.secrets["the Individual Number with hyphens"] = hyphenated(individualNumber)
	o.secrets["admin token"], o.secrets["API token"] = o.box.AdminToken, o.box.APIToken
	o.secrets["provider's admin token"] = secret(t, o.cfg.Provider.AdminToken)
	o.secrets["issuer's secret"] = secret(t, o.cfg.Issuer.Secret)
	files, err := filepath.Glob(filepath.Join(o.box.Dir, "*.key.pem"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d keys, %v", len(files), err)
	}
	for _, file := range files {
		key, err := keys.LoadFile(file, "")
		if err != nil {
			t.Fatal(err)
		}
		o.key(t, "key "+filepath.Base(file), key.Signer)
	}
	return o
}

func hyphenated(number string) string { return number[:4] + "-" + number[4:8] + "-" + number[8:] }

// key adds the private value of a key.
func (o *observed) key(t *testing.T, name string, signer any) {
	t.Helper()
	private, ok := signer.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("%s is a %T", name, signer)
	}
	value, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	o.secrets[name] = string(value)
}

// person adds what is known of the holder of a card.
func (o *observed) person(card *jpkitest.Card) {
	name, cert := card.Person.Key+"'s ", card.SignatureCertificate()
	o.secrets[name+"address"] = card.Person.Address
	o.secrets[name+"birth date in JPKI's form"] = card.Person.BirthDate
	if d := card.Person.BirthDate; len(d) == 9 {
		years := map[byte]int{'3': 0, '4': 0}
		if _, ok := years[d[0]]; ok {
			o.secrets[name+"birth date"] = d[1:5] + "-" + d[5:7] + "-" + d[7:]
		}
	}
	o.secrets[name+"municipality"] = card.Person.Municipality.City
	o.secrets[name+"serial"] = cert.SerialNumber.String()
	o.secrets[name+"serial in hexadecimal"] = hex.EncodeToString(cert.SerialNumber.Bytes())
	o.secrets[name+"common name"] = cert.Subject.CommonName
	o.secrets[name+"certificate"] = base64.StdEncoding.EncodeToString(cert.Raw)[:60]
	o.secrets[name+"public key"] = base64.StdEncoding.EncodeToString(cert.RawSubjectPublicKeyInfo)[60:120]
	o.secrets[name+"end of the certificate"] = cert.NotAfter.UTC().Format("2006-01-02T15:04:05")
	o.secrets[name+"end of the certificate in seconds"] = strconv.FormatInt(cert.NotAfter.Unix(), 10)
	for i, part := range strings.Fields(strings.ReplaceAll(card.Person.Name, "\u3000", " ")) {
		o.secrets[name+"name "+strconv.Itoa(i+1)] = part
	}
}

// jwt adds the parts of a signed token that are nobody else's: the payload and
// the signature. What all tokens of a kind begin with is not telling.
func (o *observed) jwt(name, token string) {
	token, _, _ = strings.Cut(token, "~")
	parts := strings.Split(token, ".")
	o.secrets[name+" (end)"] = parts[len(parts)-1][max(0, len(parts[len(parts)-1])-60):]
}

// outputs returns everything by where it is.
func (o *observed) outputs(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{
		"the log": []byte(o.log.String()), "Redis": dumpRedis(t, o.redis), "what Redis was told": []byte(o.monitor.String()),
		"error answers": o.errors.all(), "the spans": describe(o.spans),
	}
	for _, path := range []string{"/metrics", "/readyz", "/livez", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1"} {
		response, err := (&http.Client{Timeout: time.Minute}).Get("http://" + o.app.AdminAddress() + path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, response.StatusCode, err)
		}
		out["admin "+path] = data
	}
	files, err := filepath.Glob(o.cfg.Database.Path + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no database: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = data
	}
	return out
}

// search looks for every secret in every form everywhere.
func (o *observed) search(t *testing.T, outputs map[string][]byte) {
	t.Helper()
	for what, text := range o.secrets {
		if len(text) < 6 { // shorter ones would be found by chance
			t.Errorf("nothing to look for: %s", what)
			continue
		}
		forms := []string{text, strings.ToUpper(text), base64.StdEncoding.EncodeToString([]byte(text)),
			base64.RawURLEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text))}
		for where, data := range outputs {
			for _, form := range forms {
				if bytes.Contains(data, []byte(form)) && !public(what, where) {
					t.Errorf("%s is in %s: %s", what, where, around(data, form))
				}
			}
		}
	}
}

// public reports what has to be where it was found. A login page that is shown
// again because the signature was no good has a challenge on it.
func public(what, where string) bool {
	return what == "challenge" && where == "error answers"
}

func around(data []byte, form string) string {
	at := bytes.Index(data, []byte(form))
	return fmt.Sprintf("%q", data[max(0, at-80):min(len(data), at+len(form)+20)])
}

// errorBodies keeps the answers with a status of 400 and more.
type errorBodies struct {
	next http.RoundTripper
	mu   sync.Mutex
	b    bytes.Buffer
}

// RoundTrip implements http.RoundTripper.
func (e *errorBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := e.next.RoundTrip(r)
	if err != nil || response.StatusCode < 400 {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintf(&e.b, "%s\n%v\n%s\n", response.Status, response.Header, body)
	return response, nil
}

// CloseIdleConnections is asked for by http.Client.
func (e *errorBodies) CloseIdleConnections() {
	if c, ok := e.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (e *errorBodies) all() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Clone(e.b.Bytes())
}

// describe writes down all that spans say.
func describe(spans *tracetest.InMemoryExporter) []byte {
	var out bytes.Buffer
	for _, s := range spans.GetSpans() {
		fmt.Fprintf(&out, "%s %v %v %v %v %v %v\n", s.Name, s.Attributes, s.Events, s.Links, s.Status, s.Resource, s.SpanContext.TraceState())
	}
	return out.Bytes()
}

// dumpRedis returns all keys and values.
func dumpRedis(t *testing.T, address string) []byte {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, key := range keys {
		dump, err := client.Dump(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(key + "\n" + dump + "\n")
		if v, err := client.Get(t.Context(), key).Result(); err == nil {
			out.WriteString(v)
		}
		if v, err := client.HGetAll(t.Context(), key).Result(); err == nil {
			for name, field := range v {
				out.WriteString(name + "\n" + field + "\n")
			}
		}
	}
	return out.Bytes()
}

// placeholders are the parameters in a path pattern.
var placeholders = regexp.MustCompile(`:[a-z_]+|\*`)

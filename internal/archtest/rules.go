package archtest

// module is the path of this module.
const module = "github.com/tegata-id/tegata"

// layer is a set of packages, by their directories. "credentials" is that
// directory alone, "credentials/..." is everything below it as well.
type layer struct {
	name     string
	rank     int
	packages []string
}

// layers are what code may import: its own rank and those below it. The first
// entry that matches a package counts, so special patterns come first.
var layers = []layer{
	{"values", 0, []string{"credentials"}},
	{"primitives", 1, []string{"credentials/jose/...", "credentials/cose/...", "credentials/keys/..."}},
	{"trust", 2, []string{"credentials/trust/..."}},
	{"formats and protocols", 3, []string{"credentials/..."}},
	{"application", 6, []string{"internal/app/...", "internal/e2e/...", "internal/bench/..."}},
	{"services", 4, []string{"internal/...", "openapi/..."}},
	{"roles", 5, []string{"issuer/...", "verifier/...", "wallet/..."}},
	{"commands", 7, []string{"cmd/..."}},
}

// closed are the trees that never import one another though they share a layer.
var closed = []string{"issuer/...", "verifier/...", "wallet/..."}

// narrow lists trees that may import nothing of this module but what is named.
var narrow = map[string][]string{
	"cmd/...":           {"internal/app/...", "credentials/..."},
	"internal/e2e/wire": {}, // the peers of the tests share no code with what they test
}

// testSupport are packages for tests. What else may use them is in
// testSupportUsers.
var testSupport = []string{
	"credentials/keys/pkcs11/pkcs11test/...", "credentials/trust/trusttest/...", "credentials/trust/jpki/jpkitest/...", "issuer/evidence/openid/openidtest/...", "issuer/source/register/registertest/...", "wallet/provider/android/androidtest/...", "internal/session/sessiontest/...", "internal/database/databasetest/...",
	"internal/e2e/...", "internal/bench/...", "internal/archtest/...", "openapi/openapitest/...",
}

// testSupportUsers may import testSupport outside of tests: one another, the
// commands for trying things out, and what mode test adds to a server.
var testSupportUsers = append([]string{
	"internal/app/card/...", "internal/app/demo/...", "internal/app/sandbox/...", // a soft card, a demonstration, the system it runs in
	"internal/app/registers/simulate.go",               // a register of the test persons
	"internal/app/app.go", "internal/app/testcards.go", // the test JPKI and its cards on the login page
}, testSupport...)

// seam is the short list of places that may import a library, so that its
// successor is a change of one package.
type seam struct {
	library  string // a module path or a path within one
	packages []string
	// files, if set, also allows these files anywhere in fileTrees.
	files     string
	fileTrees []string
}

var seams = []seam{
	{library: "github.com/lestrrat-go/jwx", packages: []string{"credentials/jose/..."}},
	{library: "github.com/veraison/go-cose", packages: []string{"credentials/cose/..."}},
	{library: "github.com/fxamacker/cbor", packages: []string{"credentials/cose/..."}},
	{
		library: "github.com/labstack/echo", packages: []string{"internal/httpd/..."},
		files: "handler*.go", fileTrees: []string{"issuer/...", "verifier/...", "wallet/...", "openapi/...", "internal/statuslist/..."},
	},
	{library: "github.com/redis/go-redis", packages: []string{"internal/session/..."}},
	{library: "github.com/ThalesGroup/crypto11", packages: []string{"credentials/keys/pkcs11"}},
	{library: "github.com/miekg/pkcs11", packages: []string{"credentials/keys/pkcs11"}},
	{library: "modernc.org/sqlite", packages: []string{"internal/database/..."}},
	{library: "github.com/jackc/pgx", packages: []string{"internal/database/..."}},
	{library: "github.com/lib/pq", packages: nil},
	{library: "github.com/prometheus", packages: []string{"internal/...", "issuer/...", "verifier/...", "wallet/..."}},
	{library: "go.opentelemetry.io/otel/exporters", packages: []string{"internal/telemetry/..."}},
	{library: "go.opentelemetry.io", packages: []string{"internal/telemetry/...", "internal/httpd/...", "internal/fetch/...", "internal/app/..."}},
	{library: "net/http/pprof", packages: []string{"internal/httpd/listen"}},
	{library: "expvar", packages: nil},
}

// bareTrees import nothing but the standard library and what is named.
var bareTrees = map[string][]string{
	"credentials": {},
}

// ban forbids uses of a package's exported names outside of tests, packages for
// tests, and the places that are excepted.
type ban struct {
	path   string // import path
	names  []string
	except []string
	why    string
}

var bans = []ban{
	{"time", []string{"Now", "Since", "Until"}, []string{"cmd/...", "internal/app/..."}, "time comes from an injected clock"},
	{"os", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, []string{"cmd/...", "internal/app/..."}, "configuration comes from files"},
	{
		"net/http",
		[]string{"DefaultClient", "DefaultTransport", "DefaultServeMux", "Get", "Head", "Post", "PostForm", "Handle", "HandleFunc", "ListenAndServe", "ListenAndServeTLS"},
		nil, "there is no shared client or server; see internal/fetch and internal/httpd",
	},
	{"net/http", []string{"Client", "Transport"}, []string{"internal/fetch/...", "internal/app/...", "cmd/..."}, "outbound requests go through internal/fetch"},
	{"net", []string{"Dial", "DialTimeout", "Dialer"}, []string{"internal/fetch/...", "internal/session/..."}, "outbound connections go through internal/fetch"},
	{"crypto/tls", []string{"Dial", "DialWithDialer", "Dialer"}, []string{"internal/fetch/..."}, "outbound connections go through internal/fetch"},
	{"log/slog", []string{"Default", "SetDefault", "Info", "Warn", "Error", "Debug"}, nil, "loggers are passed in"},
	{"github.com/prometheus/client_golang/prometheus", []string{"DefaultRegisterer", "DefaultGatherer", "MustRegister", "Register"}, nil, "registries are passed in"},
	{"log", []string{"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln"}, []string{"cmd/..."}, "logs go through slog"},
}

// maxLines is the most lines of a file that is not a test.
const maxLines = 400

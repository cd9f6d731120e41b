// Package registertest is a register of made-up people for tests and
// demonstrations: real HTTP under mutual TLS, strict about what clients send,
// and as faulty in its answers as a test wants it.
package registertest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/issuer/source/register"
)

// Record is what the register has of a person. Claims are values as the contract
// writes them.
type Record struct {
	Name, Address string
	// BirthDate is YYYY-MM-DD, or empty.
	BirthDate string
	Sex       int
	Claims    map[string]any
}

// Faults change what the register answers. The zero value changes nothing.
type Faults struct {
	// Wait holds answers back until it is closed or the client goes away.
	Wait <-chan struct{}
	// Status is answered in place of an answer, with Location if that is set.
	Status   int
	Location string
	// Answer changes an answer, and Body what is sent of it.
	Answer func(map[string]any)
	Body   func([]byte) []byte
	// MediaType takes the place of application/json.
	MediaType string
}

// Lookup is a question as it came.
type Lookup struct {
	RequestID string   `json:"request_id"`
	Pseudonym string   `json:"pseudonym"`
	Person    Person   `json:"person"`
	Claims    []string `json:"claims"`
}

// Person is whom a lookup is about.
type Person struct {
	Name      Written `json:"name"`
	Address   Written `json:"address"`
	BirthDate string  `json:"birth_date"`
	Sex       int     `json:"sex"`
}

// Written is a text of a certificate.
type Written struct {
	Written     string `json:"written"`
	Normalized  string `json:"normalized"`
	Substitutes string `json:"substitutes"`
}

// Register answers lookups from records in memory. It is safe for concurrent
// use.
type Register struct {
	now func() time.Time

	mu      sync.Mutex
	records []Record
	faults  Faults
	known   map[string]int // record by pseudonym
	lookups []Lookup
}

// New returns a register with the records.
func New(records []Record, now func() time.Time) *Register {
	return &Register{now: now, records: records, known: map[string]int{}}
}

// Set changes how the register answers from now on.
func (r *Register) Set(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = f
}

// Lookups returns the lookups so far that could be read.
func (r *Register) Lookups() []Lookup {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lookups)
}

// ServeHTTP implements http.Handler. Who may ask has been settled by TLS.
func (r *Register) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	f := r.faults
	r.mu.Unlock()
	if f.Wait != nil {
		select {
		case <-f.Wait:
		case <-request.Context().Done():
			return
		}
	}
	if f.Status != 0 {
		if f.Location != "" {
			w.Header().Set("Location", f.Location)
		}
		refuse(w, f.Status)
		return
	}
	answer, status := r.route(w, request)
	if status != http.StatusOK {
		refuse(w, status)
		return
	}
	if f.Answer != nil {
		f.Answer(answer)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		refuse(w, http.StatusInternalServerError)
		return
	}
	if f.Body != nil {
		body = f.Body(body)
	}
	mediaType := "application/json"
	if f.MediaType != "" {
		mediaType = f.MediaType
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

// refuse answers with a problem document that repeats nothing.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"status":`+strconv.Itoa(status)+`}`)
}

func (r *Register) route(w http.ResponseWriter, request *http.Request) (map[string]any, int) {
	switch request.Method + " " + request.URL.Path {
	case "GET /claims":
		return map[string]any{"claims": r.claims()}, http.StatusOK
	case "POST /lookups":
	default:
		return nil, http.StatusNotFound
	}
	if mediaType, _, err := mime.ParseMediaType(request.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, register.MaxQuestion))
	if err != nil {
		return nil, http.StatusRequestEntityTooLarge
	}
	question, ok := parse(body)
	if !ok {
		return nil, http.StatusBadRequest
	}
	return r.answer(question), http.StatusOK
}

// parse reads a lookup and demands what the contract does.
func parse(body []byte) (Lookup, bool) {
	var q Lookup
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	if strict.Decode(&q) != nil || jose.UnmarshalJSON(body, &q) != nil {
		return q, false
	}
	id, err := jose.DecodeBase64(q.RequestID)
	if err != nil || len(id) != 16 {
		return q, false
	}
	pseudonym, err := jose.DecodeBase64(q.Pseudonym)
	if err != nil || len(pseudonym) != 0 && len(pseudonym) != 32 {
		return q, false
	}
	if q.Person.BirthDate != "" {
		if _, err := credentials.ParseFullDate(q.Person.BirthDate); err != nil {
			return q, false
		}
	}
	return q, q.Person.Name.Written != "" && q.Person.Name.Normalized == register.Normalized(q.Person.Name.Written) && len(q.Claims) > 0 && slices.Contains([]int{0, 1, 2, 9}, q.Person.Sex)
}

// claims are the names of all that is known of anybody.
func (r *Register) claims() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := map[string]bool{}
	for _, record := range r.records {
		for name := range record.Claims {
			names[name] = true
		}
	}
	return slices.AppendSeq([]string{}, maps.Keys(names))
}

// answer finds the one record that fits.
func (r *Register) answer(q Lookup) map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookups = append(r.lookups, q)
	answer := map[string]any{"request_id": q.RequestID, "result": "none"}
	var fitting []int
	for n, record := range r.records {
		if record.fits(q.Person) {
			fitting = append(fitting, n)
		}
	}
	before, seen := r.known[q.Pseudonym]
	switch {
	case len(fitting) > 1, seen && (len(fitting) == 0 || fitting[0] != before):
		answer["result"] = "ambiguous"
		return answer
	case len(fitting) == 0:
		return answer
	}
	record := r.records[fitting[0]]
	if q.Pseudonym != "" {
		r.known[q.Pseudonym] = fitting[0]
	}
	person := map[string]any{"name": record.Name, "sex": record.Sex}
	for name, value := range map[string]string{"address": record.Address, "birth_date": record.BirthDate} {
		if value != "" {
			person[name] = value
		}
	}
	claims := map[string]any{}
	for _, name := range q.Claims {
		if value, ok := record.Claims[name]; ok {
			claims[name] = value
		}
	}
	answer["result"], answer["as_of"] = "found", r.now().UTC().Format("2006-01-02T15:04:05Z")
	answer["person"], answer["claims"] = person, claims
	return answer
}

func (record *Record) fits(p Person) bool {
	return register.Fits(p.Name.Written, p.Name.Substitutes, record.Name) && register.Fits(p.Address.Written, p.Address.Substitutes, record.Address) &&
		p.BirthDate == record.BirthDate && p.Sex == record.Sex
}

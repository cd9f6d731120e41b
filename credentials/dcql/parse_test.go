package dcql_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
)

// TestExamples reads the examples of the specification and writes them again.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			q, err := dcql.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := errors.Join(json.Unmarshal(data, &want), json.Unmarshal(again, &got)); err != nil {
				t.Fatal(err)
			}
			if f := q.Credentials[0].Format; f != credentials.FormatSDJWTVC && f != credentials.FormatMdoc {
				return // the meta of other formats is not kept
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("round trip (-want +got):\n%s", diff)
			}
		})
	}
}

const sdjwtQuery = `{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["urn:a"]},` +
	`"claims":[{"id":"a","path":["x"],"values":["1",2,true]},{"id":"b","path":["y",null,0]}],` +
	`"claim_sets":[["a"],["b"]],"trusted_authorities":[{"type":"aki","values":["AQI"]}],` +
	`"multiple":true,"require_cryptographic_holder_binding":false}],` +
	`"credential_sets":[{"options":[["pid"]],"required":false}]}`

const mdocQuery = `{"credentials":[{"id":"mdl","format":"mso_mdoc","meta":{"doctype_value":"d"},` +
	`"claims":[{"path":["ns","e"],"intent_to_retain":true}]}]}`

// TestNegParse breaks one thing at a time in two queries that parse.
func TestNegParse(t *testing.T) {
	t.Parallel()
	for _, honest := range []string{sdjwtQuery, mdocQuery, strings.Replace(sdjwtQuery, `"id":"pid",`, `"id":"pid","x":{"y":[null]},`, 1)} {
		if _, err := dcql.Parse([]byte(honest)); err != nil {
			t.Fatalf("honest twin: %v", err)
		}
	}
	tests := []struct{ name, base, old, new, at string }{
		{"DCQL-01 no credentials", mdocQuery, `"credentials"`, `"other"`, "credentials"},
		{"DCQL-01 credentials is an object", `{"credentials":[]}`, `[]`, `{}`, "credentials"},
		{"DCQL-01 empty credentials", `{"credentials":[1]}`, `1`, ``, "credentials"},
		{"DCQL-01 not an object", `[]`, ``, ``, ""},
		{"duplicate member", mdocQuery, `"id":"mdl"`, `"id":"mdl","id":"mdl"`, ""},
		{"DCQL-02 no id", mdocQuery, `"id":"mdl",`, ``, "credentials[0].id"},
		{"DCQL-02 id with a dot", mdocQuery, `"mdl"`, `"m.dl"`, "credentials[0].id"},
		{"DCQL-02 empty id", mdocQuery, `"mdl"`, `""`, "credentials[0].id"},
		{"DCQL-02 id is null", mdocQuery, `"mdl"`, `null`, "credentials[0].id"},
		{"DCQL-02 id twice", `{"credentials":[{"id":"a","format":"mso_mdoc","meta":{"doctype_value":"d"}},{"id":"b","format":"mso_mdoc","meta":{"doctype_value":"d"}}]}`, `"b"`, `"a"`, "credentials[1].id"},
		{"DCQL-03 no format", mdocQuery, `"format":"mso_mdoc",`, ``, "credentials[0].format"},
		{"DCQL-03 no meta", mdocQuery, `"meta"`, `"meat"`, "credentials[0].meta"},
		{"DCQL-03 meta is an array", mdocQuery, `{"doctype_value":"d"}`, `[]`, "credentials[0].meta"},
		{"DCQL-03 no doctype_value", mdocQuery, `"doctype_value":"d"`, ``, "credentials[0].meta.doctype_value"},
		{"DCQL-03 no vct_values", sdjwtQuery, `"vct_values":["urn:a"]`, ``, "credentials[0].meta.vct_values"},
		{"DCQL-03 empty vct_values", sdjwtQuery, `["urn:a"]`, `[]`, "credentials[0].meta.vct_values"},
		{"DCQL-03 vct_values is a string", sdjwtQuery, `["urn:a"]`, `"urn:a"`, "credentials[0].meta.vct_values"},
		{"DCQL-05 multiple is a string", sdjwtQuery, `"multiple":true`, `"multiple":"true"`, "credentials[0].multiple"},
		{"DCQL-06 holder binding is null", sdjwtQuery, `binding":false`, `binding":null`, "credentials[0].require_cryptographic_holder_binding"},
		{"DCQL-07 authority without values", sdjwtQuery, `"values":["AQI"]`, `"values":[]`, "credentials[0].trusted_authorities[0].values"},
		{"DCQL-07 authority without type", sdjwtQuery, `"type":"aki",`, ``, "credentials[0].trusted_authorities[0].type"},
		{"DCQL-07 empty authorities", sdjwtQuery, `[{"type":"aki","values":["AQI"]}]`, `[]`, "credentials[0].trusted_authorities"},
		{"DCQL-08 empty claims", mdocQuery, `[{"path":["ns","e"],"intent_to_retain":true}]`, `[]`, "credentials[0].claims"},
		{"DCQL-08 no path", mdocQuery, `"path":["ns","e"],`, ``, "credentials[0].claims[0].path"},
		{"DCQL-08 empty path", sdjwtQuery, `["x"]`, `[]`, "credentials[0].claims[0].path"},
		{"DCQL-08 claim id missing with claim_sets", sdjwtQuery, `"id":"a",`, ``, "credentials[0].claims[0].id"},
		{"DCQL-08 claim id twice", sdjwtQuery, `"id":"b"`, `"id":"a"`, "credentials[0].claims[1].id"},
		{"DCQL-08 claim id with a space", sdjwtQuery, `"id":"b"`, `"id":"b b"`, "credentials[0].claims[1].id"},
		{"DCQL-08 same claim twice", sdjwtQuery, `["y",null,0]`, `["x"]`, "credentials[0].claims[1].path"},
		{"DCQL-09 claim_sets without claims", sdjwtQuery, `"claims":[`, `"clams":[`, "credentials[0].claim_sets"},
		{"DCQL-09 claim_sets to nowhere", sdjwtQuery, `[["a"],["b"]]`, `[["a"],["c"]]`, "credentials[0].claim_sets[1][0]"},
		{"DCQL-09 flat claim_sets", sdjwtQuery, `[["a"],["b"]]`, `["a","b"]`, "credentials[0].claim_sets[0]"},
		{"DCQL-09 empty claim set", sdjwtQuery, `[["a"],["b"]]`, `[["a"],[]]`, "credentials[0].claim_sets[1]"},
		{"DCQL-10 empty values", sdjwtQuery, `["1",2,true]`, `[]`, "credentials[0].claims[0].values"},
		{"DCQL-10 null value", sdjwtQuery, `["1",2,true]`, `[null]`, "credentials[0].claims[0].values[0]"},
		{"DCQL-10 fractional value", sdjwtQuery, `["1",2,true]`, `[1.5]`, "credentials[0].claims[0].values[0]"},
		{"DCQL-10 object value", sdjwtQuery, `["1",2,true]`, `[{}]`, "credentials[0].claims[0].values[0]"},
		{"DCQL-15 no options", sdjwtQuery, `"options"`, `"option"`, "credential_sets[0].options"},
		{"DCQL-15 empty option", sdjwtQuery, `[["pid"]]`, `[[]]`, "credential_sets[0].options[0]"},
		{"DCQL-15 option to nowhere", sdjwtQuery, `[["pid"]]`, `[["dip"]]`, "credential_sets[0].options[0][0]"},
		{"DCQL-15 empty credential_sets", sdjwtQuery, `[{"options":[["pid"]],"required":false}]`, `[]`, "credential_sets"},
		{"DCQL-15 required is a number", sdjwtQuery, `"required":false`, `"required":0`, "credential_sets[0].required"},
		{"DCQL-19 negative index", sdjwtQuery, `["y",null,0]`, `["y",null,-1]`, "credentials[0].claims[1].path[2]"},
		{"DCQL-19 fractional index", sdjwtQuery, `["y",null,0]`, `["y",null,0.5]`, "credentials[0].claims[1].path[2]"},
		{"DCQL-19 boolean in the path", sdjwtQuery, `["y",null,0]`, `["y",null,true]`, "credentials[0].claims[1].path[2]"},
		{"DCQL-20 mdoc path of one", mdocQuery, `["ns","e"]`, `["ns"]`, "credentials[0].claims[0].path"},
		{"DCQL-20 mdoc path of three", mdocQuery, `["ns","e"]`, `["ns","e","f"]`, "credentials[0].claims[0].path"},
		{"DCQL-20 mdoc path with null", mdocQuery, `["ns","e"]`, `["ns",null]`, "credentials[0].claims[0].path"},
		{"DCQL-22 intent_to_retain is a string", mdocQuery, `retain":true`, `retain":"true"`, "credentials[0].claims[0].intent_to_retain"},
		{"too large", mdocQuery, `"ns"`, `"` + strings.Repeat("n", dcql.MaxSize) + `"`, ""},
		{"path name too long", mdocQuery, `"ns"`, `"` + strings.Repeat("n", 2000) + `"`, "credentials[0].claims[0].path[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(tt.base, tt.old) {
				t.Fatal("mutation changes nothing")
			}
			_, err := dcql.Parse([]byte(strings.Replace(tt.base, tt.old, tt.new, 1)))
			var e *dcql.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want *dcql.Error", err)
			}
			if e.At != tt.at || e.Code() != dcql.InvalidRequest {
				t.Errorf("got %v (%s) at %q, want at %q", e, e.Code(), e.At, tt.at)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sdjwtQuery))
	f.Add([]byte(mdocQuery))
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := dcql.Parse(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dcql.Parse(again); err != nil {
			t.Fatalf("what was parsed does not parse again: %v", err)
		}
		_, _ = q.Select([]dcql.Candidate{{Format: q.Credentials[0].Format, Type: "urn:a", Claims: credentials.Object{}}})
	})
}

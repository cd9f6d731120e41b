package sdjwt_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// structures are the test cases of sd-jwt-python, tests/testcases (TV-20), by
// name. In claims a member named "+x" is disclosable and disclosed, "-x" is
// held back; so are array elements {"+": x} and {"-": x}. The cases of the JSON
// serialization are left out, which is not taken, key_binding, which has the
// claims of header_mod, and the kid of header_mod, which is the number 42.
var structures = map[string]struct{ claims, want string }{
	"array_data_types": {
		`{"data_types":[{"+":null},{"+":42},{"+":3.14},{"+":"foo"},{"+":true},{"+":["Test"]},{"+":{"foo":"bar"}}]}`,
		`{"data_types":[null,42,3.14,"foo",true,["Test"],{"foo":"bar"}]}`,
	},
	"array_full_sd":         {`{"is_over":{"-13":true,"+18":false,"-21":false}}`, `{"is_over":{"18":false}}`},
	"array_in_sd":           {`{"+sd_array":[32,23]}`, `{"sd_array":[32,23]}`},
	"array_nested_in_plain": {`{"nested_array":[[{"+":"foo"},{"-":"bar"}],[{"-":"baz"},{"+":"qux"}]]}`, `{"nested_array":[["foo"],["qux"]]}`},
	"array_none_disclosed":  {`{"is_over":{"-13":false,"-18":true,"-21":false}}`, `{"is_over":{}}`},
	"array_of_nulls":        {`{"null_values":[null,{"-":null},{"-":null},null]}`, `{"null_values":[null,null]}`},
	"array_of_objects": {
		`{"addresses":[{"street":"123 Main St","type":"main_address"},{"+":{"street":"456 Main St","type":"secondary_address"}}],
			"array_with_one_sd_object":[{"+foo":"bar"}]}`,
		`{"addresses":[{"street":"123 Main St","type":"main_address"},{"street":"456 Main St","type":"secondary_address"}],
			"array_with_one_sd_object":[{"foo":"bar"}]}`,
	},
	"array_of_scalars": {`{"nationalities":[{"-":"US"},{"+":"CA"},"DE"]}`, `{"nationalities":["CA","DE"]}`},
	"array_recursive_sd": {
		`{"array_with_recursive_sd":["boring",{"-":{"foo":"bar","-baz":{"qux":"quux"}}},[{"-":"foo"},{"-":"bar"}]],"test2":[{"-":"foo"},{"-":"bar"}]}`,
		`{"array_with_recursive_sd":["boring",[]],"test2":[]}`,
	},
	"header_mod": {
		`{"-sub":"john_doe_42","+given_name":"John","+family_name":"Doe","-email":"johndoe@example.com","-phone_number":"+1-202-555-0101",
			"+address":{"street_address":"123 Main St","locality":"Anytown","region":"Anystate","country":"US"},"-birthdate":"1940-01-01"}`,
		`{"given_name":"John","family_name":"Doe",
			"address":{"street_address":"123 Main St","locality":"Anytown","region":"Anystate","country":"US"}}`,
	},
	"object_data_types": {
		`{"value_data_types":{"+test_null":null,"+test_int":42,"+test_float":3.14,"+test_str":"foo","+test_bool":true,"+test_arr":["Test"],"+test_object":{"foo":"bar"}},
			"key_data_types":{"+null":"key_null","+42":"key_int","+3.14":"key_float","+foo":"key_str","+True":"key_bool","+[\"Test\"]":"key_arr","+{\"foo\": \"bar\"}":"key_object"}}`,
		`{"value_data_types":{"test_null":null,"test_int":42,"test_float":3.14,"test_str":"foo","test_bool":true,"test_arr":["Test"],"test_object":{"foo":"bar"}},
			"key_data_types":{"null":"key_null","42":"key_int","3.14":"key_float","foo":"key_str","True":"key_bool","[\"Test\"]":"key_arr","{\"foo\": \"bar\"}":"key_object"}}`,
	},
	"recursions": {
		`{"foo":[{"-":"one"},{"+":"two"}],"bar":{"-red":1,"+green":2},"qux":[{"+":[{"-":"blue"},{"+":"yellow"}]}],
			"baz":[{"+":[{"-":"orange"},{"+":"purple"}]},{"+":[{"+":"black"},{"+":"white"}]}],
			"animals":{"+snake":{"-name":"python","+age":10},"+bird":{"-name":"eagle","+age":20}}}`,
		`{"foo":["two"],"bar":{"green":2},"qux":[["yellow"]],"baz":[["purple"],["black","white"]],
			"animals":{"snake":{"age":10},"bird":{"age":20}}}`,
	},
}

// concealer makes the payload of an SD-JWT without the help of the package
// under test.
type concealer struct {
	t         *testing.T
	salt      int
	disclosed []string
}

// conceal returns v with digests for what is disclosable.
func (c *concealer) conceal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out, digests := map[string]any{}, []string{}
		for name, member := range v {
			if name[0] != '+' && name[0] != '-' {
				out[name] = c.conceal(member)
				continue
			}
			digests = append(digests, c.disclosure(name[0] == '+', name[1:], c.conceal(member)))
		}
		if len(digests) > 0 {
			out["_sd"] = digests
		}
		return out
	case []any:
		out := []any{}
		for _, element := range v {
			object, _ := element.(map[string]any)
			shown, plus := object["+"]
			held, minus := object["-"]
			switch {
			case plus:
				out = append(out, map[string]any{"...": c.disclosure(true, c.conceal(shown))})
			case minus:
				out = append(out, map[string]any{"...": c.disclosure(false, c.conceal(held))})
			default:
				out = append(out, c.conceal(element))
			}
		}
		return out
	}
	return v
}

// disclosure returns the digest of a disclosure of what, and keeps it if it is
// to be presented.
func (c *concealer) disclosure(present bool, what ...any) string {
	c.salt++
	data, err := json.Marshal(append([]any{fmt.Sprintf("salt %d", c.salt)}, what...))
	if err != nil {
		c.t.Fatal(err)
	}
	encoded := jose.EncodeBase64(data)
	if present {
		c.disclosed = append(c.disclosed, encoded)
	}
	return sdjwt.DigestOf(encoded)
}

func TestVectorStructuresPython(t *testing.T) {
	t.Parallel()
	for name, tc := range structures {
		t.Run("TV-20 "+name, func(t *testing.T) {
			t.Parallel()
			var claims any
			if err := json.Unmarshal([]byte(tc.claims), &claims); err != nil {
				t.Fatal(err)
			}
			c := &concealer{t: t}
			payload, err := json.Marshal(c.conceal(claims))
			if err != nil {
				t.Fatal(err)
			}
			key := newKey(t)
			token, err := jose.Sign(jose.Header{Typ: "example+sd-jwt"}, payload, key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := sdjwt.Process(strings.Join(append([]string{token}, c.disclosed...), "~")+"~", key.Public())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, tc.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

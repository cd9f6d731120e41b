package credentials_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
)

func TestValueJSON(t *testing.T) {
	t.Parallel()
	v := credentials.Object{
		"name":  credentials.Text("山田　花子"),
		"born":  credentials.FullDate{Year: 1985, Month: time.April, Day: 1},
		"at":    credentials.Time{Time: time.Date(2026, 11, 23, 9, 0, 0, 500, time.FixedZone("JST", 9*3600))},
		"photo": credentials.Bytes{0xff, 0xfe},
		"list":  credentials.Array{credentials.Int(1), credentials.Float(0.5), credentials.Bool(true), credentials.Null{}},
	}
	want := map[string]any{
		"name": "山田　花子", "born": "1985-04-01", "at": "2026-11-23T00:00:00Z", "photo": "__4",
		"list": []any{int64(1), 0.5, true, nil},
	}
	if diff := cmp.Diff(any(want), v.JSON()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"at", "born", "list", "name", "photo"}, v.Names()); diff != "" {
		t.Error(diff)
	}
}

func TestFromJSON(t *testing.T) {
	t.Parallel()
	got, err := credentials.FromJSON(map[string]any{
		"n": nil, "b": true, "s": "x", "i": int64(7), "j": 8, "f": 1.5, "w": 2.0,
		"big": json.Number("9007199254740993"), "a": []any{"y"},
	})
	want := credentials.Object{
		"n": credentials.Null{}, "b": credentials.Bool(true), "s": credentials.Text("x"),
		"i": credentials.Int(7), "j": credentials.Int(8), "f": credentials.Float(1.5), "w": credentials.Int(2),
		"big": credentials.Int(9007199254740993), "a": credentials.Array{credentials.Text("y")},
	}
	if diff := cmp.Diff(credentials.Value(want), got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, bad := range []any{json.Number("1e400"), struct{}{}, []any{complex(1, 1)}, map[string]any{"x": make(chan int)}} {
		if v, err := credentials.FromJSON(bad); err == nil {
			t.Errorf("%v became %v", bad, v)
		}
	}
}

func TestFullDate(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{"2004-02-29": true, "2003-02-29": false, "2003-2-1": false, "": false, "2003-13-01": false} {
		d, err := credentials.ParseFullDate(s)
		if (err == nil) != ok || (ok && d.String() != s) {
			t.Errorf("%q: %v, %v", s, d, err)
		}
	}
	date := func(s string) credentials.FullDate {
		d, err := credentials.ParseFullDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tc := range []struct {
		born, day string
		age       int
	}{
		{"2008-11-23", "2026-11-22", 17}, {"2008-11-23", "2026-11-23", 18}, {"2008-11-23", "2026-12-01", 18},
		{"2008-02-29", "2026-02-28", 17}, {"2008-02-29", "2026-03-01", 18}, {"2026-11-23", "2026-11-23", 0},
	} {
		if age := date(tc.born).AgeAt(date(tc.day)); age != tc.age {
			t.Errorf("born %s is %d on %s, want %d", tc.born, age, tc.day, tc.age)
		}
	}
	japan := time.FixedZone("JST", 9*3600)
	if d := credentials.DateOf(time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC), japan); d.String() != "2026-11-23" {
		t.Errorf("date in Japan = %v", d)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	tree := credentials.Object{
		"address": credentials.Object{"country": credentials.Text("JP")},
		"list":    credentials.Array{credentials.Text("a"), credentials.Object{"x": credentials.Int(1)}, credentials.Object{"x": credentials.Int(2)}},
	}
	for _, tc := range []struct {
		wire, text string
		want       []credentials.Value
		typed      bool
	}{
		{`["address","country"]`, "address.country", []credentials.Value{credentials.Text("JP")}, true},
		{`["list",0]`, "list[0]", []credentials.Value{credentials.Text("a")}, true},
		{`["list",9]`, "list[9]", nil, true},
		{`["missing","x"]`, "missing.x", nil, true},
		{`["list",null,"x"]`, "list[*].x", nil, false},
		{`["address",0]`, "address[0]", nil, false},
		{`["address","country","x"]`, "address.country.x", nil, false},
	} {
		var p credentials.Path
		if err := json.Unmarshal([]byte(tc.wire), &p); err != nil {
			t.Fatal(err)
		}
		if p.String() != tc.text {
			t.Errorf("%s reads %s", tc.wire, p)
		}
		if out, err := json.Marshal(p); err != nil || string(out) != tc.wire {
			t.Errorf("%s is written %s, %v", tc.wire, out, err)
		}
		got, typed := p.Select(tree)
		if typed != tc.typed || (typed && cmp.Diff(tc.want, got) != "") {
			t.Errorf("%s selects %v, %v", tc.wire, got, typed)
		}
	}
	for _, bad := range []string{`[]`, `"x"`, `[-1]`, `[1.5]`, `[true]`, `[{}]`, `null`} {
		var p credentials.Path
		if json.Unmarshal([]byte(bad), &p) == nil && bad != "null" {
			t.Errorf("%s was read as %v", bad, p)
		}
	}
	all := credentials.Path{credentials.Name("list"), credentials.All()}
	one := credentials.Path{credentials.Name("list"), credentials.Index(1), credentials.Name("x")}
	if !all.Covers(one) || one.Covers(all) || !all.Covers(all) || credentials.PathOf("a").Covers(credentials.PathOf("b")) {
		t.Error("Covers")
	}
	if !one.Equal(one) || one.Equal(all) {
		t.Error("Equal")
	}
}

func TestAudience(t *testing.T) {
	t.Parallel()
	b := credentials.Binding{Mode: credentials.BindingRedirect, ClientID: "x509_hash:abc", Origin: "https://rp.example"}
	if b.Audience() != "x509_hash:abc" {
		t.Error(b.Audience())
	}
	b.Mode = credentials.BindingDCAPI
	if b.Audience() != "origin:https://rp.example" {
		t.Error(b.Audience())
	}
	if (credentials.Binding{ClientID: "x"}).Audience() != "" {
		t.Error("a binding without a mode has an audience")
	}
}

package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// TestPersonJSON holds that a person comes back from a store as they went in.
func TestPersonJSON(t *testing.T) {
	t.Parallel()
	born := credentials.FullDate{Year: 1985, Month: time.April, Day: 1}
	want := source.Person{
		Name: "山田　花子", BirthDate: &born, Sex: 2,
		Claims: map[string]source.Claims{"licences": {
			"text": credentials.Text("日本 \u2028<&>"), "like_a_date": credentials.Text("1985-04-01"),
			"bool": credentials.Bool(true), "null": credentials.Null{},
			"int": credentials.Int(math.MaxInt64), "negative": credentials.Int(-1),
			"float": credentials.Float(1.5), "whole_float": credentials.Float(2),
			"date": born, "time": credentials.Time{Time: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)},
			"portrait": credentials.Bytes{0xff, 0xd8, 0, 1}, "no_portrait": credentials.Bytes{},
			"privileges": credentials.Array{
				credentials.Object{"vehicle_category_code": credentials.Text("A"), "issue_date": born},
				credentials.Object{},
			},
			"full-date": credentials.Object{"bytes": credentials.Text("not a tag")},
			"empty":     credentials.Array{},
		}},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got source.Person
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, spoiled := range []string{
		`[]`, `"text"`, `{"a":1,"b":2}`, `{"object":[]}`, `{"full-date":"1985-04-31"}`, `{"object":{"a":{"full-date":"1985-04-31"}}}`,
		`{"object":{"a":{"time":"noon"}}}`, `{"object":{"a":{"bytes":"=="}}}`, `{"object":{"a":{"unknown":"x"}}}`, `{"object":{"a":{"float":"x"}}}`,
	} {
		var c source.Claims
		if err := json.Unmarshal([]byte(spoiled), &c); err == nil {
			t.Errorf("%s is read as %v", spoiled, c)
		}
	}
}

type register func() (source.Claims, error)

func (r register) Claims(context.Context, *evidence.Evidence, *source.Person, []string) (source.Claims, error) {
	return r()
}

// TestRegisters holds what becomes of a register's answers.
func TestRegisters(t *testing.T) {
	t.Parallel()
	answers := func(c source.Claims, err error) register {
		return func() (source.Claims, error) { return c, err }
	}
	registers := source.Registers{
		"licences":  answers(source.Claims{"number": credentials.Text("30"), "unasked": credentials.Text("x")}, nil),
		"residents": answers(source.Claims{"household": credentials.Text("山田")}, nil),
		"unknown":   answers(nil, fmt.Errorf("find: %w", source.ErrNoRecord)),
		"twins":     answers(nil, source.ErrAmbiguous),
		"down":      answers(nil, source.ErrUnavailable),
	}
	p := &source.Person{Name: "山田　花子"}
	got, err := registers.Complete(t.Context(), evidence.BackOffice(time.Now()), p, map[string][]string{
		"licences": {"number", "portrait"}, "unknown": {"number"},
	})
	want := &source.Person{Name: p.Name, Claims: map[string]source.Claims{"licences": {"number": credentials.Text("30")}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if p.Claims != nil {
		t.Error("the person was changed")
	}
	for name, want := range map[string]error{"twins": source.ErrAmbiguous, "down": source.ErrUnavailable, "unheard of": source.ErrUnavailable} {
		if _, err := registers.Complete(t.Context(), nil, p, map[string][]string{"residents": {"household"}, name: {"x"}}); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

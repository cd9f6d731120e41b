package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/verifier"
)

// relyingParty plays the program of a relying party, which knows the verifier's
// API and nothing of wallets.
type relyingParty struct {
	client *http.Client
	api    string
	token  string
}

// returnURI is where the relying party wants its customers back. Nobody
// listens there: the demonstration reads the response code off the address.
const returnURI = "https://bank.example/done"

// transaction is what the verifier answers to a query.
type transaction struct {
	ID   string `json:"id"`
	Link string `json:"link"`
}

func (p *relyingParty) ask(ctx context.Context, query string) (*transaction, error) {
	body, err := json.Marshal(map[string]any{
		"dcql_query": json.RawMessage(query), "flow": verifier.SameDevice, "redirect_uri": returnURI,
	})
	if err != nil {
		return nil, err
	}
	var t transaction
	_, err = p.call(ctx, http.MethodPost, "", body, &t)
	return &t, err
}

// fetch returns the result of a transaction, and the document it came in.
func (p *relyingParty) fetch(ctx context.Context, id, redirected string) (*verifier.Result, json.RawMessage, error) {
	path := "/" + url.PathEscape(id)
	if u, err := url.Parse(redirected); err == nil && u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	var result verifier.Result
	raw, err := p.call(ctx, http.MethodGet, path, nil, &result)
	return &result, raw, err
}

func (p *relyingParty) call(ctx context.Context, method, path string, body []byte, into any) (json.RawMessage, error) {
	request, err := http.NewRequestWithContext(ctx, method, p.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+p.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("the verifier answers %d: %s", response.StatusCode, data)
	}
	return data, json.Unmarshal(data, into)
}

// describe puts a result into words.
func describe(r *verifier.Result) []string {
	if r.Refusal != nil {
		return []string{"refused: " + string(r.Refusal.Reason), "because:  " + r.Refusal.Detail}
	}
	var lines []string
	for _, c := range r.Credentials {
		lines = append(lines,
			"claims:   "+string(c.Claims),
			"format:   "+string(c.Format)+", type "+c.Type,
			"issuer:   "+issuerOf(c.Issuer),
			"chain:    "+chainOf(c.Issuer.Chain))
		if c.Status != nil && c.Status.ListIssuedAt != nil {
			lines = append(lines, "status:   "+string(c.Status.Value)+", by the list of "+c.Status.ListIssuedAt.UTC().Format(time.RFC3339))
		}
		for i, check := range c.Checks {
			label := "          "
			if i == 0 {
				label = "checks:   "
			}
			lines = append(lines, label+mark(check.Outcome)+" "+check.Name+": "+check.Detail)
		}
	}
	return lines
}

func mark(o verifier.CheckOutcome) string {
	if o == verifier.OutcomePassed {
		return "✓"
	}
	return "–"
}

func issuerOf(i verifier.Issuer) string {
	if i.LegalEntity == nil {
		return "names no legal entity"
	}
	return fmt.Sprintf("%s (%s), %s", i.LegalEntity.Name, i.LegalEntity.OrganizationIdentifier, i.Statement)
}

func chainOf(chain []verifier.Certificate) string {
	var subjects []string
	for _, c := range chain {
		subjects = append(subjects, c.Subject)
	}
	return strings.Join(subjects, " ← ")
}

var errUnexpected = errors.New("the outcome is not the expected one")

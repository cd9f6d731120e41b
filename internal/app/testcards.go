package app

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// testCards are the server-side soft cards of mode test. A person's card is
// made when it is first used, which takes a moment.
type testCards struct {
	jpki  *jpkitest.JPKI
	mu    sync.Mutex
	cards map[string]*jpkitest.Card
}

func newTestCards(test *jpkitest.JPKI) *testCards {
	return &testCards{jpki: test, cards: map[string]*jpkitest.Card{}}
}

// throwaway returns the test JPKI of a tenant. It stays the same when the tenant
// is built anew.
func (a *App) throwaway(t *tenant) (*jpkitest.JPKI, error) {
	return share(&a.shared, t, "throwaway JPKI of "+t.Name(), func() (*jpkitest.JPKI, error) {
		return jpkitest.New(jpkitest.Options{Now: a.opt.Now})
	})
}

// Persons implements oauth.TestCards.
func (t *testCards) Persons() []oauth.TestPerson {
	var out []oauth.TestPerson
	for _, p := range jpkitest.People() {
		if !p.NoSignature {
			out = append(out, oauth.TestPerson{ID: p.Key, Label: p.Name})
		}
	}
	return out
}

// Sign implements oauth.TestCards.
func (t *testCards) Sign(_ context.Context, person string, challenge []byte) (certificate, signature []byte, err error) {
	card, err := t.card(person)
	if err != nil {
		return nil, nil, err
	}
	signature, err = card.Sign(jpkitest.SignPIN, challenge)
	if err != nil {
		return nil, nil, err
	}
	return card.SignatureCertificate().Raw, signature, nil
}

// Card implements oauth.TestCards.
func (t *testCards) Card(_ context.Context, person string) ([]byte, error) {
	card, err := t.card(person)
	if err != nil {
		return nil, err
	}
	return json.Marshal(card)
}

func (t *testCards) card(person string) (*jpkitest.Card, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if card, ok := t.cards[person]; ok {
		return card, nil
	}
	p, ok := jpkitest.PersonByKey(person)
	if !ok || p.NoSignature {
		return nil, oauth.ErrNoTestPerson
	}
	card, err := t.jpki.NewCard(p, jpkitest.CardOptions{})
	if err != nil {
		return nil, err
	}
	t.cards[person] = card
	return card, nil
}

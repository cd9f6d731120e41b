package verifier

import (
	"context"

	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/internal/session"
)

const otherSession = "this browser did not begin the transaction; go back to the screen where it began"

// BrowserTransaction is a transaction that a browser began on our own pages.
type BrowserTransaction struct {
	Transaction
	// Cookie is the secret that belongs to this browser alone.
	Cookie string
}

// StartInBrowser begins a transaction with a preset for the browser that will
// carry the cookie. Errors are [*Error].
func (v *Verifier) StartInBrowser(ctx context.Context, preset string, flow Flow) (*BrowserTransaction, error) {
	p, ok := v.presented[preset]
	if !ok || (flow != SameDevice && flow != CrossDevice) {
		return nil, refuse(CodeInvalidRequest, "preset or flow is unknown", nil)
	}
	t, err := v.start(ctx, &Party{}, StartRequest{DCQL: p.Query, Flow: flow}, true)
	if err != nil {
		return nil, err
	}
	cookie := newSecret()
	if err := v.browsers.Put(ctx, cookie, pointer{t.ID}); err != nil {
		return nil, stored(err, CodeUnavailable, "try again later")
	}
	return &BrowserTransaction{Transaction: *t, Cookie: cookie}, nil
}

// View is what the page of a waiting transaction shows.
type View struct {
	*Result
	Link string
	Flow Flow
	// Claims are the paths that are asked for.
	Claims []string
}

// View returns what the browser that began a transaction may see of it, without
// what was presented.
func (v *Verifier) View(ctx context.Context, cookie, id string) (*View, error) {
	t, _, err := v.ofBrowser(ctx, cookie, id)
	if err != nil {
		return nil, err
	}
	link, err := v.link(t)
	if err != nil {
		return nil, refuse(CodeServerError, "", err)
	}
	q, err := dcql.Parse(t.Query)
	if err != nil {
		return nil, refuse(CodeServerError, "", err)
	}
	view := &View{Result: v.peek(id, t, t.Flow == SameDevice), Link: link, Flow: t.Flow}
	for _, c := range q.Credentials {
		for _, claim := range c.Claims {
			view.Claims = append(view.Claims, claim.Path.String())
		}
	}
	return view, nil
}

// stateInBrowser returns the state of a transaction as View does.
func (v *Verifier) stateInBrowser(ctx context.Context, cookie, id string) (State, error) {
	t, _, err := v.ofBrowser(ctx, cookie, id)
	if err != nil {
		return "", err
	}
	return v.peek(id, t, t.Flow == SameDevice).State, nil
}

// Return takes the browser back from the wallet with the response code and
// releases the result. A browser without the cookie is the wallet's on another
// device, or one that somebody led astray.
func (v *Verifier) Return(ctx context.Context, cookie, code string) (*Result, error) {
	id, t, version, err := v.current(ctx, cookie)
	if err != nil {
		return nil, err
	}
	if code == "" {
		return nil, refuse(CodeInvalidResponseCode, wrongCode, nil)
	}
	return v.release(ctx, id, t, version, code, true)
}

// Collect releases the result to a browser that showed a code to another
// device. On the same device only [Verifier.Return] does.
func (v *Verifier) Collect(ctx context.Context, cookie, id string) (*Result, error) {
	t, version, err := v.ofBrowser(ctx, cookie, id)
	if err != nil {
		return nil, err
	}
	return v.release(ctx, id, t, version, "", t.Flow == SameDevice)
}

// ofBrowser returns the named transaction if it is that of the browser.
func (v *Verifier) ofBrowser(ctx context.Context, cookie, id string) (*transaction, session.Version, error) {
	own, t, version, err := v.current(ctx, cookie)
	if err == nil && !sameSecret(id, own) {
		return nil, session.Version{}, refuse(CodeOtherSession, otherSession, nil)
	}
	return t, version, err
}

// current returns the transaction of the browser.
func (v *Verifier) current(ctx context.Context, cookie string) (string, *transaction, session.Version, error) {
	p, _, err := v.browsers.Get(ctx, cookie)
	if err != nil {
		return "", nil, session.Version{}, stored(err, CodeOtherSession, otherSession)
	}
	t, version, err := v.transactions.Get(ctx, p.Transaction)
	if err != nil {
		return "", nil, session.Version{}, stored(err, CodeOtherSession, otherSession)
	}
	return p.Transaction, &t, version, nil
}

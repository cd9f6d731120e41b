package walletapp

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/registration"
	"github.com/tegata-id/tegata/wallet/holder"
)

// Console is the wallet at a terminal: it writes questions and results to Out
// and reads the person's answers, a line each, from In.
type Console struct {
	App    *App
	Config *Config
	Out    io.Writer
	In     *bufio.Reader
}

// errNo says that the person did not agree.
var errNo = errors.New("nothing was done")

func (c *Console) printf(format string, a ...any) { fmt.Fprintf(c.Out, format, a...) }

// ask returns the line that the person types.
func (c *Console) ask(question string) (string, error) {
	c.printf("%s", question)
	line, err := c.In.ReadString('\n')
	if err != nil && line == "" {
		return "", fmt.Errorf("no answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

func (c *Console) agree(question string) (bool, error) {
	answer, err := c.ask(question + " [y/N] ")
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), err
}

// Receive takes a credential offer.
func (c *Console) Receive(ctx context.Context, link string) error {
	offer, err := c.App.ReadOffer(ctx, link)
	if err != nil {
		return err
	}
	c.offered(offer)
	if ok, err := c.agree("Take it?"); err != nil || !ok {
		return errors.Join(errNo, err)
	}
	return c.take(ctx, offer)
}

// Ask takes credentials of an issuer that has offered none: those of the
// configurations, or those that the person picks.
func (c *Console) Ask(ctx context.Context, issuer string, configurations ...string) error {
	offer, err := c.App.AskIssuer(ctx, issuer, configurations...)
	if err != nil {
		return err
	}
	c.offered(offer)
	if len(configurations) > 0 {
		if ok, err := c.agree("Ask for it?"); err != nil || !ok {
			return errors.Join(errNo, err)
		}
		return c.take(ctx, offer)
	}
	wanted, err := c.ask("Which? (IDs with spaces in between) ")
	if err != nil || wanted == "" {
		return errors.Join(errNo, err)
	}
	if err := offer.Choose(strings.Fields(wanted)...); err != nil {
		return err
	}
	return c.take(ctx, offer)
}

// offered prints what an issuer has.
func (c *Console) offered(offer *holder.Offer) {
	issuer := offer.Issuer()
	c.printf("%s (%s) offers:\n", openid4vci.DisplayName(issuer.Display, "ja", issuer.CredentialIssuer), issuer.CredentialIssuer)
	offered := offer.Configurations()
	for _, id := range slices.Sorted(maps.Keys(offered)) {
		name := id
		if m := offered[id].Metadata; m != nil {
			name = openid4vci.DisplayName(m.Display, "ja", id)
		}
		c.printf("  %s (%s, %s)\n", name, id, offered[id].Format)
	}
	c.printf("%s\n", vouched(offer))
}

// vouched says who vouches for the issuer being who it says.
func vouched(offer *holder.Offer) string {
	chain := offer.Signer()
	if chain == nil {
		return "Nobody vouches for who the issuer is but the certificate of its server."
	}
	if entity, ok := chain.LegalEntity(); ok {
		return "A trusted certificate names it as " + entity.Name + " (" + entity.OrganizationIdentifier + ")."
	}
	return "A trusted certificate vouches for it and names no legal entity."
}

func (c *Console) take(ctx context.Context, offer *holder.Offer) error {
	held, err := c.App.Receive(ctx, offer, c)
	if err != nil {
		return err
	}
	for _, batch := range slices.Compact(batchIDs(held)) {
		c.printf("received %s\n", batch)
	}
	return nil
}

func batchIDs(held []*holder.Held) []string {
	var out []string
	for _, h := range held {
		out = append(out, h.Batch)
	}
	return out
}

// Authorize implements [holder.UserAgent]: the person opens the address in a
// browser and brings back the one where it ended.
func (c *Console) Authorize(_ context.Context, authorizationURL, redirectURI string) (string, error) {
	c.printf("Open this in your browser and log in:\n\n%s\n\n", authorizationURL)
	return c.ask("The browser ends at an address that begins with " + redirectURI + ".\nPaste it here: ")
}

// TxCode implements [holder.TxCodeReader].
func (c *Console) TxCode(_ context.Context, code openid4vci.TxCode) (string, error) {
	if code.Description != "" {
		c.printf("%s\n", openid4vci.SanitizeDescription(code.Description))
	}
	return c.ask("Transaction code: ")
}

// Present answers a presentation request.
func (c *Console) Present(ctx context.Context, link string) error {
	var asking error
	outcome, err := c.App.Present(ctx, link, func(_ context.Context, ask holder.Ask) holder.Decision {
		c.describe(ask)
		allow, err := c.agree("Show it?")
		asking = err
		return holder.Decision{Allow: allow}
	})
	if err := errors.Join(err, asking); err != nil {
		return err
	}
	c.printf("shown\n")
	if outcome.RedirectURI != "" {
		c.printf("Open this in the browser in which you began:\n\n%s\n", outcome.RedirectURI)
	}
	return nil
}

func (c *Console) describe(ask holder.Ask) {
	if entity, ok := ask.LegalEntity(); ok {
		c.printf("%s (%s) asks", entity.Name, entity.OrganizationIdentifier)
	} else {
		c.printf("Somebody whose certificate names no legal entity asks")
	}
	c.printf(", as %s:\n", ask.ClientID)
	c.registered(ask.Registration)
	for _, item := range ask.Items {
		optional := ""
		if item.Optional {
			optional = ", optional"
		}
		c.printf("  of %s%s\n", named(item.Credential), optional)
		if item.Credential.Revoked() {
			c.printf("    its issuer has revoked it, so that it will probably be refused\n")
		}
		for _, path := range item.Paths {
			name := path.String()
			if called := item.Credential.ClaimName(path, "ja"); called != name {
				name = called + " (" + name + ")"
			}
			c.printf("    %s%s\n", name, notes(item, path))
		}
	}
}

// named is what people read of a type, with the type itself: names are the
// issuer's word.
func named(h *holder.Held) string {
	if name := h.Name("ja"); name != h.Type {
		return name + " (" + h.Type + ")"
	}
	return h.Type
}

// registered says what the verifier is registered for.
func (c *Console) registered(r *holder.Registration) {
	switch {
	case r == nil:
	case r.Certificate == nil:
		c.printf("  WARNING: it is not registered: %v\n", r.Problem)
	default:
		c.printf("  registered as %s, for: %s\n", cmp.Or(r.Certificate.Name, r.Certificate.LegalName),
			cmp.Or(registration.In(r.Certificate.Purposes, "ja"), "no purpose"))
	}
}

// notes is what the person should know of a claim.
func notes(item holder.Item, path credentials.Path) string {
	out := ""
	for _, note := range []struct {
		paths []credentials.Path
		text  string
	}{{item.Retained, "  (will be kept)"}, {item.Biometric, "  (biometric: it can't be changed once it is out)"}, {item.Unregistered, "  (WARNING: the verifier is not registered to ask for it)"}} {
		if slices.ContainsFunc(note.paths, path.Equal) {
			out += note.text
		}
	}
	return out
}

// List prints what the wallet holds.
func (c *Console) List(ctx context.Context) error {
	held, err := c.App.List(ctx)
	if err != nil {
		return err
	}
	for _, b := range holder.Batches(held) {
		c.printf("%s  %s  %s  from %s  until %s  %d copies, %d never shown  %s\n",
			b.Batch, b.Format, named(b.Held), b.Issuer, b.ValidUntil.Format("2006-01-02"), b.Copies, b.Unused, statusOf(b.Held))
	}
	imported, err := c.App.Vault.Imported(ctx)
	if err != nil {
		return err
	}
	for _, e := range imported {
		c.printf("imported, to be received again  %s  %s  from %s\n", e.Format, e.Type, e.Issuer)
	}
	return nil
}

// statusOf says what is known of whether the issuer has withdrawn a credential.
func statusOf(h *holder.Held) string {
	switch {
	case h.Status == nil:
		return "can't be revoked"
	case h.LastStatus == nil:
		return "status not looked up yet"
	case h.Revoked():
		return "REVOKED, as of " + h.LastStatus.At.Format("2006-01-02 15:04")
	}
	return "not revoked, as of " + h.LastStatus.At.Format("2006-01-02 15:04")
}

// Check looks up the status of what the wallet holds, renews what is due, and
// prints what is new.
func (c *Console) Check(ctx context.Context) error {
	done, err := c.App.Upkeep(ctx)
	for _, h := range done.Revoked {
		c.printf("revoked by its issuer: %s  %s\n", h.Batch, h.Type)
	}
	for _, h := range done.Renewed {
		c.printf("renewed: %s  %s\n", h.Batch, h.Type)
	}
	return err
}

// Show prints the claims of one credential.
func (c *Console) Show(ctx context.Context, id string) error {
	h, err := c.App.Find(ctx, id)
	if err != nil {
		return err
	}
	claims, err := indented(h.Claims)
	if err != nil {
		return err
	}
	c.printf("type    %s\nformat  %s\nissuer  %s\nvalid   %s to %s\nstatus  %s\nclaims  %s\n", named(h), h.Format, h.Issuer,
		h.ValidFrom.Format("2006-01-02 15:04 MST"), h.ValidUntil.Format("2006-01-02 15:04 MST"), statusOf(h), claims)
	return nil
}

func indented(claims credentials.Object) (string, error) {
	text, err := json.MarshalIndent(claims.JSON(), "        ", "  ")
	return string(text), err
}

// Log prints the activity log.
func (c *Console) Log(ctx context.Context) error {
	entries, err := c.App.Log(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		c.printf("%s  %-9s  %s", e.At.Format("2006-01-02 15:04"), e.Action, e.Party)
		for _, more := range []string{e.PartyName, strings.Join(e.Types, " "), strings.Join(e.Claims, " "), e.Purpose, strings.Join(e.Contacts, " ")} {
			if more != "" {
				c.printf("  %s", more)
			}
		}
		c.printf("\n")
	}
	return nil
}

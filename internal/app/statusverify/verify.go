// Package statusverify compares the status lists that issuers publish with what
// their database says, bit by bit, from outside: it fetches what anybody can
// fetch. The process that publishes has no part in it.
package statusverify

import (
	"context"
	"crypto"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer"
)

// defaultWindow is that of an issuer whose configuration does not say.
const defaultWindow = 5 * time.Minute

// attempts is how often a list is fetched that is published anew meanwhile.
const attempts = 5

// Options are what the configuration does not say.
type Options struct {
	Now func() time.Time
	// Roots are trusted for TLS beside the system's and those of the
	// configuration.
	Roots []*x509.Certificate
}

// Run compares all status lists of all issuers of a configuration. Every list is
// a finding, with its counts if nothing differs.
func Run(ctx context.Context, path string, o Options) *report.Report {
	r := &report.Report{}
	cfg, err := config.Load(path)
	if err != nil {
		r.Fault(path, "tegata check tells more", "the configuration can't be used: %s", err)
		return r
	}
	options, err := cfg.Database.Options()
	if err == nil && options.Path == "" && options.URL == "" {
		err = errors.New("the configuration has none")
	}
	if err != nil {
		r.Fault("database", "", "%s", err)
		return r
	}
	db, err := database.Open(ctx, options)
	if err != nil {
		r.Fault("database", "start the database, and compare the section database with it", "the database can't be opened: %s", err)
		return r
	}
	defer func() { _ = db.Close() }()
	if err := db.CheckSchema(ctx); err != nil {
		r.Fault("database", "run the binary that fits the database", "%s", err)
		return r
	}
	roots := o.Roots
	if cfg.Outbound.Roots != "" {
		more, err := config.LoadCertificates("outbound.roots_file", cfg.Outbound.Roots)
		if err != nil {
			r.Fault("outbound.roots_file", "", "%s", err)
			return r
		}
		roots = append(slices.Clone(roots), more...)
	}
	c := newClient(roots)
	defer c.close()
	found := false
	for _, t := range cfg.Tenants() {
		if t.Issuer == nil {
			continue
		}
		found = true
		v := &verifier{Report: r, db: db, client: c, tenant: t, base: t.BaseURL() + issuer.PathStatusLists, now: o.Now}
		if err := v.run(ctx); err != nil {
			r.Fault(t.Name(), "", "%s", err)
		}
	}
	if !found {
		r.Warn(path, "", "the configuration has no issuer")
	}
	return r
}

// verifier compares the lists of one issuer.
type verifier struct {
	*report.Report
	db      *database.DB
	client  *client
	tenant  config.Tenant
	base    string
	now     func() time.Time
	lists   *statuslist.Lists
	signers []crypto.PublicKey
	window  time.Duration
}

func (v *verifier) run(ctx context.Context) error {
	c := v.tenant.Issuer
	secret, err := config.LoadHexSecret("secret_file", c.Secret)
	if err != nil {
		return err
	}
	key, err := issuer.DeriveKey(secret, v.tenant.Tenant, "status indexes")
	if err != nil {
		return err
	}
	if v.lists, err = statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{key}}); err != nil {
		return err
	}
	for _, k := range c.Keys.Status {
		chain, err := config.LoadCertificates("keys.status", k.Chain)
		if err != nil {
			return err
		}
		v.signers = append(v.signers, chain[0].PublicKey)
	}
	v.window = c.StatusWindow.Or(defaultWindow)
	ids, err := v.aggregation(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		v.list(ctx, id)
	}
	return v.credentials(ctx)
}

// aggregation compares the list of lists, and returns those of the database.
func (v *verifier) aggregation(ctx context.Context) (ids []string, err error) {
	err = v.db.Read(ctx, func(tx *sql.Tx) error {
		ids, err = v.lists.IDs(ctx, tx, v.tenant.Tenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	a, err := v.client.get(ctx, v.base, "application/json", "")
	if err != nil {
		v.Fault(v.base, "compare origin with the proxy's address", "%s", err)
		return ids, nil
	}
	var published struct {
		StatusLists []string `json:"status_lists"`
	}
	if err := json.Unmarshal(a.body, &published); err != nil {
		v.Fault(v.base, "", "the list of lists is malformed")
		return ids, nil
	}
	missing := 0
	for _, id := range ids {
		if !slices.Contains(published.StatusLists, v.base+"/"+id) {
			missing++
		}
	}
	// A list may have been opened since the database was read.
	if missing > 0 || len(published.StatusLists) > len(ids)+4 {
		v.Fault(v.base, "", "%d lists are published, %d are in the database, %d of these are not published", len(published.StatusLists), len(ids), missing)
		return ids, nil
	}
	v.OK(v.base, "%d status lists", len(ids))
	return ids, nil
}

// list compares one list, in both forms.
func (v *verifier) list(ctx context.Context, id string) {
	uri := v.base + "/" + id
	for _, form := range []string{status.MediaType, status.CWTMediaType} {
		where := uri + " (" + form + ")"
		c, err := v.form(ctx, id, form)
		switch {
		case err != nil:
			v.Fault(where, "", "%s", err)
		case c.Count > 0:
			for _, fault := range c.Faults {
				v.Fault(where, "", "%s", fault)
			}
			v.Fault(where, "stop the issuer, keep database and token, and find out which of them is wrong",
				"%d differences between what is published and the database", c.Count)
		default:
			v.OK(where, "%d entries handed out, %d INVALID, %d of these not due yet; %d decoys", c.HandedOut, c.Invalid, c.Pending, c.Decoys)
		}
	}
}

// form fetches a token and compares it with what the database says right after;
// again if the list was published in between.
func (v *verifier) form(ctx context.Context, id, form string) (*statuslist.Comparison, error) {
	var last error
	for range attempts {
		uri := v.base + "/" + id
		a, err := v.client.get(ctx, uri, form, "")
		if err != nil {
			return nil, err
		}
		token, err := v.verify(string(a.body), uri, form)
		if err != nil {
			return nil, fmt.Errorf("verifiers refuse it: %w", err)
		}
		if err := v.again(ctx, uri, form, a); err != nil {
			return nil, err
		}
		var c *statuslist.Comparison
		err = v.db.Read(ctx, func(tx *sql.Tx) error {
			stored, err := v.lists.Stored(ctx, tx, v.tenant.Tenant, id)
			if err != nil {
				return err
			}
			c, err = stored.Compare(statuslist.Published{Raw: string(a.body), Token: token}, v.window, v.now())
			return err
		})
		if !errors.Is(err, statuslist.ErrNotPublication) {
			return c, err
		}
		last = err
	}
	return nil, fmt.Errorf("it is not what the database has, %d times over: a cache on the way may be too old (%w)", attempts, last)
}

// verify checks a token with the keys that the configuration names.
func (v *verifier) verify(raw, uri, form string) (token *status.Token, err error) {
	err = errors.New("no key of the configuration signs status lists")
	for _, pub := range v.signers {
		if form == status.MediaType {
			token, err = status.VerifyWithKey(raw, uri, pub, v.now())
		} else {
			token, err = status.VerifyCWTWithKey([]byte(raw), uri, pub, v.now())
		}
		if err == nil {
			return token, nil
		}
	}
	return nil, err
}

// again asks for what it has, which must not be sent again.
func (v *verifier) again(ctx context.Context, uri, form string, a *answer) error {
	if a.tag == "" {
		return errors.New("it has no entity tag: caches fetch it whole every time")
	}
	b, err := v.client.get(ctx, uri, form, a.tag)
	switch {
	case err != nil:
		return err
	case b.unchanged || b.tag != a.tag:
		return nil
	}
	return errors.New("it is sent again to those who have it")
}

// credentials compares the rows of credentials with those of entries.
func (v *verifier) credentials(ctx context.Context) error {
	var differ int
	err := v.db.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT COUNT(*) FROM issued_credentials c LEFT JOIN status_entries e
			ON e.tenant = c.tenant AND e.list_id = c.list_id AND e.idx = c.idx
			WHERE c.tenant = $1 AND (e.idx IS NULL OR (c.revoked_at > 0) <> (e.invalid_at > 0))`, v.tenant.Tenant).Scan(&differ)
	})
	switch {
	case err != nil:
		return err
	case differ > 0:
		v.Fault(v.tenant.Name(), "", "%d credentials have another status than their entry", differ)
	default:
		v.OK(v.tenant.Name(), "every credential has the status of its entry")
	}
	return nil
}

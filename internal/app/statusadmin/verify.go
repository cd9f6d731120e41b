// Package statusadmin is what operators do with the status lists of issuers and
// wallet providers. It compares what is published with what the database says,
// bit by bit, from outside: it fetches what anybody can fetch, and the process
// that publishes has no part in it. It publishes all lists at once, and retires
// them.
package statusadmin

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
)

// attempts is how often a list is fetched that is published anew meanwhile.
const attempts = 5

// Options are what the configuration does not say.
type Options struct {
	Now func() time.Time
	// Roots are trusted for TLS beside the system's and those of the
	// configuration.
	Roots []*x509.Certificate
}

// Verify compares all status lists of a configuration. Every list is a finding,
// with its counts if nothing differs.
func Verify(ctx context.Context, path string, o Options) *report.Report {
	return each(ctx, path, o, func(ctx context.Context, d *deployment, t *Tenant) error {
		c := newClient(d.roots)
		defer c.close()
		v := &verifier{deployment: d, Tenant: t, client: c, now: o.Now}
		return v.run(ctx)
	})
}

// deployment is what a configuration names.
type deployment struct {
	*report.Report
	cfg     *config.Config
	db      *database.DB
	keyring *config.Keyring
	roots   []*x509.Certificate
}

// open reads the configuration and opens the database. If it returns false, the
// report says why.
func (d *deployment) open(ctx context.Context, path string, o Options) bool {
	var err error
	if d.cfg, err = config.Load(path); err != nil {
		d.Fault(path, "tegata check tells more", "the configuration can't be used: %s", err)
		return false
	}
	if d.roots = o.Roots; d.cfg.Outbound.Roots != "" {
		more, err := config.LoadCertificates("outbound.roots_file", d.cfg.Outbound.Roots)
		if err != nil {
			d.Fault("outbound.roots_file", "", "%s", err)
			return false
		}
		d.roots = append(slices.Clone(d.roots), more...)
	}
	options, err := d.cfg.Database.Options()
	if err == nil && options.Path == "" && options.URL == "" {
		err = errors.New("the configuration has none")
	}
	if err != nil {
		d.Fault("database", "", "%s", err)
		return false
	}
	if d.db, err = database.Open(ctx, options); err != nil {
		d.Fault("database", "start the database, and compare the section database with it", "the database can't be opened: %s", err)
		return false
	}
	if err := d.db.CheckSchema(ctx); err != nil {
		d.Fault("database", "run the binary that fits the database", "%s", errors.Join(err, d.db.Close()))
		return false
	}
	return true
}

// ids returns the lists of a tenant.
func (d *deployment) ids(ctx context.Context, t *Tenant) (ids []string, err error) {
	err = d.db.Read(ctx, func(tx *sql.Tx) error {
		ids, err = t.Lists.IDs(ctx, tx, t.Endpoint.Tenant)
		return err
	})
	return ids, err
}

// verifier compares the lists of one tenant.
type verifier struct {
	*deployment
	*Tenant
	client  *client
	now     func() time.Time
	signers []crypto.PublicKey
}

func (v *verifier) run(ctx context.Context) error {
	for _, k := range v.Keys {
		chain, err := config.LoadCertificates("keys.status", k.Chain)
		if err != nil {
			return err
		}
		v.signers = append(v.signers, chain[0].PublicKey)
	}
	ids, err := v.ids(ctx, v.Tenant)
	if err != nil {
		return err
	}
	if v.Aggregated {
		v.aggregation(ctx, ids)
	} else {
		v.OK(v.Base, "%d status lists", len(ids))
	}
	for _, id := range ids {
		v.list(ctx, id)
	}
	return v.entries(ctx)
}

// aggregation compares the list of lists with those of the database.
func (v *verifier) aggregation(ctx context.Context, ids []string) {
	a, err := v.client.get(ctx, v.Base, "application/json", "")
	if err != nil {
		v.Fault(v.Base, "compare origin with the proxy's address", "%s", err)
		return
	}
	var published struct {
		StatusLists []string `json:"status_lists"`
	}
	if err := json.Unmarshal(a.body, &published); err != nil {
		v.Fault(v.Base, "", "the list of lists is malformed")
		return
	}
	missing := 0
	for _, id := range ids {
		if !slices.Contains(published.StatusLists, v.Base+"/"+id) {
			missing++
		}
	}
	// A list may have been opened since the database was read.
	if missing > 0 || len(published.StatusLists) > len(ids)+4 {
		v.Fault(v.Base, "", "%d lists are published, %d are in the database, %d of these are not published", len(published.StatusLists), len(ids), missing)
		return
	}
	v.OK(v.Base, "%d status lists", len(ids))
}

// list compares one list, in both forms.
func (v *verifier) list(ctx context.Context, id string) {
	uri := v.Base + "/" + id
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
		uri := v.Base + "/" + id
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
			stored, err := v.Lists.Stored(ctx, tx, v.Endpoint.Tenant, id)
			if err != nil {
				return err
			}
			c, err = stored.Compare(statuslist.Published{Raw: string(a.body), Token: token}, v.Window, v.now())
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

// rows has what an entry belongs to, by role, and a query that counts those with
// another status than their entry.
var rows = map[string]struct{ what, query string }{
	config.RoleIssuer: {"credential", `
		SELECT COUNT(*) FROM issued_credentials c LEFT JOIN status_entries e
		ON e.tenant = c.tenant AND e.list_id = c.list_id AND e.idx = c.idx
		WHERE c.tenant = $1 AND (e.idx IS NULL OR (c.revoked_at > 0) <> (e.invalid_at > 0))`},
	config.RoleProvider: {"attestation", `
		SELECT COUNT(*) FROM wallet_attestations a
		JOIN wallet_instances i ON i.tenant = a.tenant AND i.id = a.instance_id
		LEFT JOIN status_entries e ON e.tenant = a.tenant AND e.list_id = a.list_id AND e.idx = a.idx
		WHERE a.tenant = $1 AND (e.idx IS NULL OR (i.revoked_at > 0) <> (e.invalid_at > 0))`},
}

// entries compares the rows of credentials or attestations with those of entries.
func (v *verifier) entries(ctx context.Context) error {
	compared := rows[v.Role]
	var differ int
	err := v.db.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, compared.query, v.Endpoint.Tenant).Scan(&differ)
	})
	switch {
	case err != nil:
		return err
	case differ > 0:
		v.Fault(v.Name(), "", "%d %ss have another status than their entry", differ, compared.what)
	default:
		v.OK(v.Name(), "every %s has the status of its entry", compared.what)
	}
	return nil
}

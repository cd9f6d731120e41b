package issuer

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/issuer/records"
)

const (
	// defaultImportBatch is how many entries of a revocation list share a
	// transaction.
	defaultImportBatch = 1000
	// progressEvery is after how many entries the log is told.
	progressEvery = 100_000
)

// crlPart names the part of a revocation list that a certificate would be in.
func (i *Issuer) crlPart(h jpki.Handle) (*records.CRLPart, error) {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(h.IssuerKeyID)))
	id := i.pseudonym("tegata crl part v1\x00", string(length), string(h.IssuerKeyID), h.Partition)
	sealed, err := i.sealer.Seal(i.cfg.Tenant, id, jpki.Handle{IssuerKeyID: h.IssuerKeyID, Partition: h.Partition})
	if err != nil {
		return nil, err
	}
	return &records.CRLPart{ID: id, IssuerKeyID: hex.EncodeToString(h.IssuerKeyID), SealedName: sealed}, nil
}

// pseudonym names something to this issuer alone. The parts must not run into one
// another.
func (i *Issuer) pseudonym(parts ...string) string {
	mac := hmac.New(sha256.New, i.pseudonymKey)
	for _, part := range parts {
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// knowPart makes the import job know of the part that a certificate would be
// in: evidence may be older than the job.
func (i *Issuer) knowPart(ctx context.Context, h jpki.Handle) error {
	if i.cfg.CRLs == nil {
		return nil
	}
	part, err := i.crlPart(h)
	if err != nil {
		return err
	}
	if _, known := i.parts.Load(part.ID); known {
		return nil
	}
	if err := i.cfg.Records.PutPart(ctx, i.cfg.Tenant, *part); err != nil {
		return err
	}
	i.parts.Store(part.ID, true)
	return nil
}

// ImportCRLs gets the newest revocation list of every part in which evidence may
// be found, and makes the credentials INVALID that rest on what is on it. The
// errors are joined; a list that can't be had does not keep others waiting.
func (i *Issuer) ImportCRLs(ctx context.Context) error {
	parts, err := i.cfg.Records.CRLParts(ctx, i.cfg.Tenant)
	failures := []error{err}
	for _, part := range parts {
		if err := i.importPart(ctx, part); err != nil {
			failures = append(failures, fmt.Errorf("import a revocation list: %w", err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

func (i *Issuer) importPart(ctx context.Context, part records.CRLPart) error {
	var handle jpki.Handle
	if err := i.sealer.Open(i.cfg.Tenant, part.ID, part.SealedName, &handle); err != nil {
		return err
	}
	ca := handle.Issuer(i.cfg.JPKIAnchors)
	if ca == nil {
		return errors.New("its CA is no longer an anchor")
	}
	list, err := i.cfg.CRLs.List(ctx, ca, handle.Partition)
	if err != nil {
		return err
	}
	_, err = i.ImportCRL(ctx, ca, handle.Partition, list)
	if errors.Is(err, records.ErrImportMoved) {
		return nil // another process is at it
	}
	return err
}

// ImportCRL matches the entries of a revocation list of the CA with the evidence,
// from where an import that was cut off has come to. A list that was imported
// before is not looked at again. Errors are those of [trust.CRL.Covers] and of
// package records: an older list than before is refused.
func (i *Issuer) ImportCRL(ctx context.Context, ca *x509.Certificate, partition string, list *trust.CRL) (records.CRLImport, error) {
	var state records.CRLImport
	if !bytes.Equal(list.IssuerKeyID(), ca.SubjectKeyId) {
		return state, errors.New("the revocation list is of another CA")
	}
	if err := list.Covers(partition, false); err != nil {
		return state, err
	}
	if list.Number().BitLen() > 160 {
		return state, errors.New("the number of the revocation list has more than 20 octets")
	}
	part, err := i.crlPart(jpki.Handle{IssuerKeyID: ca.SubjectKeyId, Partition: partition})
	if err != nil {
		return state, err
	}
	digest := list.Digest()
	state, err = i.cfg.Records.BeginImport(ctx, i.cfg.Tenant, records.CRLImport{
		PartID: part.ID, Number: fmt.Sprintf("%040x", list.Number()), Digest: hex.EncodeToString(digest[:]),
		ThisUpdate: list.ThisUpdate(), Total: list.Count(),
	})
	if err != nil || state.Finished {
		return state, err
	}
	return i.importEntries(ctx, ca, list, state)
}

func (i *Issuer) importEntries(ctx context.Context, ca *x509.Certificate, list *trust.CRL, state records.CRLImport) (records.CRLImport, error) {
	began := i.cfg.Now()
	size := i.cfg.ImportBatch
	if size <= 0 {
		size = defaultImportBatch
	}
	batch := make([]records.Revocation, 0, size)
	flush := func(next int) (err error) {
		before := state
		if state, err = i.cfg.Records.ImportBatch(ctx, i.cfg.Tenant, state, next, batch); err != nil {
			return err
		}
		batch = batch[:0]
		i.cfg.Metrics.imported(i.cfg.Tenant, next-before.Position)
		if next/progressEvery > before.Position/progressEvery || state.Finished {
			i.logImport(ctx, state, began)
		}
		return ctx.Err()
	}
	for position, entry := range list.Entries(state.Position) {
		pseudonym, err := jpki.Pseudonym(i.pseudonymKey, ca.SubjectKeyId, entry.SerialNumber())
		if err != nil {
			return state, err
		}
		batch = append(batch, records.Revocation{Pseudonym: pseudonym, Reason: reasonName(entry.ReasonCode)})
		if len(batch) == size {
			if err := flush(position + 1); err != nil {
				return state, err
			}
		}
	}
	if state.Finished {
		return state, nil
	}
	return state, flush(list.Count())
}

func (i *Issuer) logImport(ctx context.Context, state records.CRLImport, began time.Time) {
	i.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "importing a revocation list",
		slog.String("tenant", i.cfg.Tenant), slog.Int("done", state.Position), slog.Int("of", state.Total),
		slog.Int("matched", state.Matched), slog.Bool("finished", state.Finished), slog.Duration("after", i.cfg.Now().Sub(began)))
}

// importAndMeasure is a round of the import job.
func (i *Issuer) importAndMeasure(ctx context.Context) {
	if i.cfg.CRLs == nil {
		return
	}
	err := i.ImportCRLs(ctx)
	if err != nil && ctx.Err() == nil {
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "import of revocation lists failed",
			slog.String("tenant", i.cfg.Tenant), slog.String("cause", err.Error()))
	}
	oldest, backlog, errBacklog := i.cfg.Records.ImportBacklog(ctx, i.cfg.Tenant)
	if errBacklog != nil {
		return // what is wrong with the database shows elsewhere
	}
	var age time.Duration
	if !oldest.IsZero() {
		age = i.cfg.Now().Sub(oldest)
	}
	i.cfg.Metrics.importRound(i.cfg.Tenant, err != nil, age, backlog)
}

// reasonName returns the word for a reason code of RFC 5280 section 5.3.1.
func reasonName(code int) string {
	names := map[int]string{
		0: "unspecified", 1: "key_compromise", 2: "ca_compromise", 3: "affiliation_changed", 4: "superseded",
		5: "cessation_of_operation", 6: "certificate_hold", 9: "privilege_withdrawn", 10: "aa_compromise",
	}
	if name, ok := names[code]; ok {
		return name
	}
	return "other"
}

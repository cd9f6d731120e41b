package trusttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

// loopOf returns CAs of one name and one key, so that each certifies all.
func loopOf(now time.Time, n int) ([]*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	loop := make([]*CA, n)
	for i := range loop {
		if loop[i], err = NewCA(CAOptions{Name: "Loop", NotBefore: now.AddDate(0, -1, 0), CRLURL: "-", Signer: key}); err != nil {
			return nil, err
		}
	}
	return loop, nil
}

func bundleFaults(now time.Time) ([]pathFault, error) {
	direct := trust.ProfileSDJWTIssuer
	direct.Name, direct.Direct = "direct", true
	fill := func(n int) func(*Path, *CA, *CA) error {
		return func(p *Path, _, sub *CA) error {
			p.Intermediates = append(p.Intermediates, slices.Repeat([]*x509.Certificate{sub.Certificate}, n)...)
			return nil
		}
	}
	return []pathFault{
		{name: "K13 eleven intermediates", reason: trust.ReasonPath, faulty: pathSpec{arrange: fill(10)}, honest: pathSpec{arrange: fill(9)}},
		{name: "K13 leaf of more than 16 KiB", reason: trust.ReasonPath,
			faulty: pathSpec{leaf: extension(false, make([]byte, 16<<10), 1, 2, 3, 4)}, honest: pathSpec{leaf: extension(false, make([]byte, 15<<10), 1, 2, 3, 4)}},
		{name: "K13 CAs that certify one another", reason: trust.ReasonUntrusted,
			faulty: pathSpec{arrange: func(p *Path, _, _ *CA) error {
				loop, err := loopOf(now, 10)
				if err != nil {
					return err
				}
				key, err := loop[0].IssueSDJWTSigner(LeafOptions{})
				if err != nil {
					return err
				}
				p.Leaf, p.Intermediates = key.Leaf(), nil
				for _, ca := range loop {
					p.Intermediates = append(p.Intermediates, ca.Certificate)
				}
				return nil
			}},
			honest: pathSpec{arrange: func(p *Path, _, _ *CA) error {
				loop, err := loopOf(now, 9)
				for _, ca := range loop {
					p.Intermediates = append(p.Intermediates, ca.Certificate)
				}
				return err
			}}},
		{name: "K13 intermediate missing", reason: trust.ReasonUntrusted,
			faulty: pathSpec{arrange: func(p *Path, _, _ *CA) error { p.Intermediates = nil; return nil }}},
		{name: "K13 intermediate where the anchor must certify itself", profile: direct, reason: trust.ReasonPath,
			honest: pathSpec{arrange: func(p *Path, root, _ *CA) error {
				key, err := root.IssueSDJWTSigner(LeafOptions{})
				if err == nil {
					p.Leaf, p.Intermediates = key.Leaf(), nil
				}
				return err
			}}},
	}, nil
}

func anchorFaults(now time.Time) ([]pathFault, error) {
	selfSigned, err := NewCA(CAOptions{Name: "Path Signer", NotBefore: now.AddDate(0, -1, 0), CRLURL: "-", Edit: func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = false, false, x509.KeyUsageDigitalSignature
	}})
	if err != nil {
		return nil, err
	}
	return []pathFault{
		{name: "K14 self-signed leaf", reason: trust.ReasonPath,
			faulty: pathSpec{arrange: func(p *Path, _, _ *CA) error { p.Leaf = selfSigned.Certificate; return nil }}},
		{name: "K14 leaf is an anchor", reason: trust.ReasonPath,
			faulty: pathSpec{arrange: func(p *Path, _, _ *CA) error {
				p.Leaf, p.Anchors = selfSigned.Certificate, append(p.Anchors, selfSigned.Anchor())
				return nil
			}},
			honest: pathSpec{arrange: func(p *Path, _, _ *CA) error { p.Anchors = append(p.Anchors, selfSigned.Anchor()); return nil }}},
		{name: "K14 anchor among the certificates presented", reason: trust.ReasonPath,
			faulty: pathSpec{arrange: func(p *Path, root, _ *CA) error {
				p.Intermediates = append(p.Intermediates, root.Certificate)
				return nil
			}}},
		{name: "K14 no anchors", reason: trust.ReasonConfiguration, faulty: pathSpec{arrange: func(p *Path, _, _ *CA) error { p.Anchors = nil; return nil }}},
		{name: "K14 anchor listed twice", reason: trust.ReasonConfiguration,
			faulty: pathSpec{arrange: func(p *Path, _, _ *CA) error { p.Anchors = append(p.Anchors, p.Anchors[0]); return nil }}},
	}, nil
}

package mdoc_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// A credential goes from the issuer to the wallet and, with one element
// disclosed, from there to a verifier.
func ExampleIssue() {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	iaca, err := trusttest.NewCA(trusttest.CAOptions{Profile: trusttest.IACA, NotBefore: now.AddDate(0, -1, 0)})
	if err != nil {
		log.Fatal(err)
	}
	signer, err := iaca.IssueMdocSigner(trusttest.LeafOptions{})
	if err != nil {
		log.Fatal(err)
	}
	holder, err := keys.GenerateP256()
	if err != nil {
		log.Fatal(err)
	}

	issued, err := mdoc.Issue(credentials.Draft{
		Type: "id.tegata.identity.jp.1",
		Claims: credentials.Object{"org.iso.23220.1": credentials.Object{
			"birth_date":  credentials.FullDate{Year: 1971, Month: time.September, Day: 1},
			"age_over_20": credentials.Bool(true),
		}},
		HolderKey: holder.Public(),
		SignedAt:  now, ValidFrom: now, ValidUntil: now.AddDate(0, 0, 14),
	}, signer)
	if err != nil {
		log.Fatal(err)
	}

	session := credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: "n-0S6_WzA2Mj",
		ClientID: "x509_san_dns:verifier.example", ResponseURI: "https://verifier.example/response",
	}
	paths := []credentials.Path{credentials.PathOf("org.iso.23220.1", "age_over_20")}
	response, err := mdoc.Present(issued, paths, session, holder)
	if err != nil {
		log.Fatal(err)
	}

	clock := func() time.Time { return now.Add(time.Minute) }
	verifier := mdoc.Verifier{Now: clock, Trust: &trust.Policy{
		Anchors:    []trust.Anchor{iaca.Anchor()},
		Profile:    trust.ProfileMdocSigner,
		Revocation: trust.NotChecked("an example without a revocation list"),
		Now:        clock,
	}}
	verified, err := verifier.Verify(context.Background(), response, session)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verified.Type, verified.Claims)
	// Output: id.tegata.identity.jp.1 map[org.iso.23220.1:map[age_over_20:true]]
}

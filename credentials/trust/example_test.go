package trust_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// A policy names everything that counts: anchors, profile, stance on
// revocation and the time. Leaving one out is an error.
func ExamplePolicy_Verify() {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.AddDate(0, -1, 0)})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := &trust.Policy{
		Anchors:    []trust.Anchor{ca.Anchor()},
		Profile:    trust.ProfileSDJWTIssuer,
		Revocation: trust.NotChecked("an example has no revocation lists"),
		Now:        func() time.Time { return now },
	}
	chain, err := policy.Verify(context.Background(), signer.Leaf(), nil)
	fmt.Println(len(chain.Certificates), err)

	policy.Now = func() time.Time { return now.AddDate(2, 0, 0) }
	_, err = policy.Verify(context.Background(), signer.Leaf(), nil)
	var refused *trust.Error
	fmt.Println(errors.As(err, &refused), refused.Reason)
	// Output:
	// 2 <nil>
	// true expired
}

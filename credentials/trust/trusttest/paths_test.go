package trusttest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// Whoever has a validator of certificate paths can hold it against the cases.
// Here it is that of package trust itself.
func ExamplePathCases() {
	cases, err := trusttest.PathCases(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	validate := func(p trusttest.Path, c trusttest.PathCase) error {
		_, err := p.Verify(context.Background(), c.Profile)
		return err
	}
	for _, c := range cases {
		if validate(c.Faulty, c) == nil {
			fmt.Println("does not see:", c.Name)
		}
		if err := validate(c.Honest, c); err != nil {
			fmt.Println("refuses the honest twin of:", c.Name, err)
		}
	}
	fmt.Println("done")
	// Output: done
}

func TestPathCasesAreNamed(t *testing.T) {
	t.Parallel()
	cases, err := trusttest.PathCases(start)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] || !strings.HasPrefix(c.Name, "K") {
			t.Errorf("the name %q is there twice or of no group", c.Name)
		}
		seen[c.Name] = true
	}
	if len(cases) != 74 {
		t.Errorf("%d cases", len(cases))
	}
}

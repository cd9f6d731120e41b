package dcql_test

import (
	"fmt"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
)

// A wallet selects what satisfies a query, and nothing else.
func ExampleQuery_Select() {
	query, err := dcql.Parse([]byte(`{"credentials":[{"id":"person","format":"dc+sd-jwt",
		"meta":{"vct_values":["urn:tegata:identity:jp:1"]},
		"claims":[{"path":["name"]},{"path":["age_equal_or_over","18"],"values":[true]}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	selections, err := query.Select([]dcql.Candidate{{
		Handle: "my credential", Format: credentials.FormatSDJWTVC, Type: "urn:tegata:identity:jp:1",
		Claims: credentials.Object{
			"name":              credentials.Text("山田　花子"),
			"birthdate":         credentials.Text("1985-04-01"),
			"age_equal_or_over": credentials.Object{"18": credentials.Bool(true), "65": credentials.Bool(false)},
		},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range selections {
		fmt.Println(s.QueryID, s.Handle, s.Paths)
	}
	// Output: person my credential [name age_equal_or_over.18]
}

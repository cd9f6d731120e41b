package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/tegata-id/tegata/verifier/client"
)

// Asks by a link or a QR code whether somebody is 20 or over.
func Example() {
	ctx := context.Background()
	bank := &client.Client{HTTP: &http.Client{}, BaseURL: "https://verifier.example", APIKey: "the key that the operator gave you"}
	transaction, err := bank.Create(ctx, client.Request{Preset: "age_check", Flow: client.CrossDevice, Acknowledge: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(transaction.Link) // show this as a QR code
	if _, err := bank.Wait(ctx, transaction.ID); err != nil {
		log.Fatal(err)
	}
	result, err := bank.Result(ctx, transaction.ID, "")
	if err != nil {
		log.Fatal(err)
	}
	if result.State == client.Verified {
		fmt.Println(string(result.Credentials[0].Claims))
	}
	if err := bank.Delete(ctx, transaction.ID); err != nil { // acknowledges: nothing of it is kept
		log.Fatal(err)
	}
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"sync"
	"time"

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

// Takes what the verifier sends to the webhook.
func ExampleWebhook() {
	webhook := &client.Webhook{HTTP: &http.Client{}, BaseURL: "https://verifier.example", Party: "bank", Now: time.Now}
	var seen sync.Map // in a database, together with the work to be done
	http.HandleFunc("POST /tegata", func(w http.ResponseWriter, r *http.Request) {
		notice, err := webhook.Read(r)
		switch {
		case errors.Is(err, client.ErrNotice):
			w.WriteHeader(http.StatusBadRequest)
			return
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable) // it is sent again
			return
		}
		if _, repeat := seen.LoadOrStore(notice.ID, true); !repeat {
			fmt.Println(notice.Transaction, notice.State) // get the result, outside of this request
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

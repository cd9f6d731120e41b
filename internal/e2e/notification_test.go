package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// batch gets a credential and returns its notification_id.
func (c *oauthClient) batch(t *testing.T, token string) string {
	t.Helper()
	var response openid4vci.CredentialResponse
	c.credential(t, token, c.credentialRequest(t, 1), nil).read(t, &response)
	if response.NotificationID == "" {
		t.Fatal("no notification_id")
	}
	return response.NotificationID
}

// notify tells the issuer of a batch.
func (c *oauthClient) notify(t *testing.T, token, id, event string) *answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"notification_id": id, "event": event, "event_description": "of 000-1111", "new": "ignored"})
	if err != nil {
		t.Fatal(err)
	}
	return c.sendNotification(t, token, "application/json", body)
}

func (c *oauthClient) sendNotification(t *testing.T, token, mediaType string, body []byte) *answer {
	t.Helper()
	address := c.d.endpoint("/notification")
	return c.d.send(t, http.MethodPost, address, http.Header{
		"Content-Type":  {mediaType},
		"Authorization": {"DPoP " + token},
		"Dpop":          {c.proof(t, dpop.ProofOptions{URL: address, AccessToken: token})},
	}, body)
}

// notified are the objects and outcomes in the audit trail.
func (d *deployment) notified(t *testing.T) (events []string) {
	t.Helper()
	db := d.openDatabase(t)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `
		SELECT e.outcome FROM audit_events e JOIN issued_credentials c ON c.id = e.object
		WHERE e.kind = 'credential.notified' AND e.actor = 'wallet' ORDER BY e.sequence`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var event string
		if err := rows.Scan(&event); err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

// TestNotification has every event, and the same again (VCI-NT-01 to 05).
func TestNotification(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	first, second := c.batch(t, token), c.batch(t, token)
	if first == second {
		t.Error("two batches have one notification_id")
	}
	for _, n := range [][2]string{
		{first, openid4vci.EventAccepted}, {first, openid4vci.EventAccepted}, {second, openid4vci.EventFailure},
		{first, openid4vci.EventDeleted}, {second, openid4vci.EventFailure},
	} {
		if a := c.notify(t, token, n[0], n[1]); a.status != http.StatusNoContent || len(a.body) > 0 {
			t.Errorf("%s: %d %s", n[1], a.status, a.body)
		}
	}
	want := []string{openid4vci.EventAccepted, openid4vci.EventFailure, openid4vci.EventDeleted}
	if diff := cmp.Diff(want, d.notified(t)); diff != "" {
		t.Error(diff)
	}
}

// TestNegNotification (I28) records nothing but what the honest twin says.
func TestNegNotification(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c, other := d.newClient(t), d.newClient(t)
	token, others := c.accessToken(t, cardOf(t, "hanako")), other.accessToken(t, cardOf(t, "hanako"))
	id := c.batch(t, token)
	accepted := openid4vci.EventAccepted
	c.notify(t, token, unknown(), accepted).want(t, http.StatusBadRequest, openid4vci.CodeInvalidNotificationID)
	c.notify(t, token, id+"A", accepted).want(t, http.StatusBadRequest, openid4vci.CodeInvalidNotificationID)
	other.notify(t, others, id, accepted).want(t, http.StatusBadRequest, openid4vci.CodeInvalidNotificationID) // same person, another grant
	c.notify(t, token, "", accepted).want(t, http.StatusBadRequest, openid4vci.CodeInvalidNotificationRequest)
	c.notify(t, token, id, "credential_lost").want(t, http.StatusBadRequest, openid4vci.CodeInvalidNotificationRequest)
	c.notify(t, token, id, "CREDENTIAL_ACCEPTED").want(t, http.StatusBadRequest, openid4vci.CodeInvalidNotificationRequest)
	for mediaType, body := range map[string]string{
		"application/json": `{"notification_id":"a","notification_id":"b","event":"credential_accepted"}`, "text/plain": `{}`, "application/jwt": "a.b.c",
	} {
		c.sendNotification(t, token, mediaType, []byte(body)).want(t, http.StatusBadRequest, openid4vci.CodeInvalidNotificationRequest)
	}
	c.notify(t, unknown(), id, accepted).want(t, http.StatusUnauthorized, openid4vci.CodeInvalidToken)
	other.notify(t, token, id, accepted).want(t, http.StatusUnauthorized, openid4vci.CodeInvalidToken) // another DPoP key
	if events := d.notified(t); len(events) > 0 {
		t.Errorf("recorded %q", events)
	}
	if a := c.notify(t, token, id, accepted); a.status != http.StatusNoContent {
		t.Errorf("honest twin: %d %s", a.status, a.body)
	}
}

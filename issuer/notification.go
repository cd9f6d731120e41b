package issuer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// notifications makes and knows notification_id values (OpenID4VCI 1.0 section
// 11). One is the name of the first row of a batch, sealed together with the
// grant, so that nothing is stored for wallets that never notify.
type notifications struct {
	key []byte
	// noted has what was recorded, for as long as it can come again with the same
	// access token.
	noted *session.Objects[time.Time]
}

func newNotifications(secret []byte, tenant string, sessions *session.Store) (*notifications, error) {
	key, err := DeriveKey(secret, tenant, "notification")
	if err != nil {
		return nil, err
	}
	return &notifications{key: key, noted: session.NewObjects[time.Time](sessions, "notification", time.Hour)}, nil
}

// id returns the notification_id of a batch.
func (n *notifications) id(grant, credential string) string {
	mac := hmac.New(sha256.New, n.key)
	mac.Write([]byte(credential + "\x00" + grant))
	return credential + "." + jose.EncodeBase64(mac.Sum(nil))
}

// credential returns the first row of the batch that an id names, if it was
// issued under the grant.
func (n *notifications) credential(grant, id string) (string, bool) {
	credential, _, _ := strings.Cut(id, ".")
	return credential, hmac.Equal([]byte(id), []byte(n.id(grant, credential)))
}

// Notify records what a wallet says has become of credentials that it got by the
// same consent (OpenID4VCI 1.0 section 11). The same again changes nothing;
// only if it comes while the first is being recorded can it be recorded twice.
// What the wallet adds in words is not kept, because it may be personal.
// Errors that the wallet is told are *openid4vci.Error.
func (i *Issuer) Notify(ctx context.Context, access *oauth.Access, body []byte) error {
	request, err := openid4vci.ParseNotificationRequest(body)
	if err != nil {
		return err
	}
	credential, ok := i.notifications.credential(access.Consent(), request.NotificationID)
	if !ok {
		return openid4vci.NewError(openid4vci.CodeInvalidNotificationID, "the notification_id is not one of this grant")
	}
	name := request.NotificationID + " " + request.Event
	switch _, _, err := i.notifications.noted.Get(ctx, name); {
	case err == nil:
		return nil
	case !errors.Is(err, session.ErrNotFound):
		return err
	}
	// First the record: if the mark is lost, it is only recorded again.
	if err := i.cfg.Records.NoteNotification(ctx, i.cfg.Tenant, credential, request.Event); err != nil {
		return fmt.Errorf("%w: notification: %w", database.ErrUnavailable, err)
	}
	return i.notifications.noted.PutUntil(ctx, name, i.cfg.Now(), access.Expires)
}

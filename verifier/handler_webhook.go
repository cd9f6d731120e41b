package verifier

import (
	"encoding/json"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/verifier/webhook"
)

// webhookKeys publishes the keys that messages to relying parties are signed
// with. A receiver must not go by them for long after one was taken out.
func (h *handler) webhookKeys(c echo.Context) error {
	set, err := webhook.KeySet(h.v.cfg.WebhookKeys)
	if err != nil {
		return err
	}
	body, err := json.Marshal(set)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return httpd.WriteTagged(c, "application/jwk-set+json", body)
}

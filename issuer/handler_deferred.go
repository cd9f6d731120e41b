package issuer

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/issuer/records"
)

type pendingResponse struct {
	Deferred []pendingBatch `json:"deferred"`
}

// pendingBatch says nothing of the person.
type pendingBatch struct {
	ID              string    `json:"id"`
	ConfigurationID string    `json:"credential_configuration_id"`
	Credentials     int       `json:"credentials"`
	GrantID         string    `json:"grant"`
	Evidence        string    `json:"evidence"`
	CreatedAt       time.Time `json:"created_at"`
}

type decisionRequest struct {
	Decision string `json:"decision"`
}

// pending lists what waits for the operator's approval.
func (x *handler) pending(c echo.Context) error {
	if err := x.admin(c); err != nil {
		return err
	}
	list, err := x.issuer.Deferred(c.Request().Context())
	if err != nil {
		return httpd.Unavailable(err)
	}
	response := pendingResponse{Deferred: []pendingBatch{}}
	for _, d := range list {
		response.Deferred = append(response.Deferred, pendingBatch{
			ID: d.ID, ConfigurationID: d.ConfigID, Credentials: d.Count, GrantID: d.GrantID, Evidence: d.EvidenceKind, CreatedAt: d.CreatedAt,
		})
	}
	return httpd.WriteJSON(c, http.StatusOK, response)
}

// decide takes the operator's decision. Wallets learn of it when they come again.
func (x *handler) decide(c echo.Context) error {
	if err := x.admin(c); err != nil {
		return err
	}
	var request decisionRequest
	if err := httpd.JSON(c, &request); err != nil {
		return err
	}
	if request.Decision != "approve" && request.Decision != "deny" {
		return &httpd.Error{Status: http.StatusBadRequest, Code: httpd.CodeInvalidRequest, Description: "decision must be approve or deny"}
	}
	err := x.issuer.Decide(c.Request().Context(), c.Param("id"), request.Decision == "approve")
	switch {
	case errors.Is(err, records.ErrDeferredUnknown):
		return &httpd.Error{Status: http.StatusNotFound, Code: httpd.CodeNotFound, Description: "nothing waits under this identifier"}
	case errors.Is(err, records.ErrDeferredDecided):
		return &httpd.Error{Status: http.StatusConflict, Code: ReasonDecided, Description: "it was decided otherwise before"}
	case err != nil:
		return httpd.Unavailable(err)
	}
	return c.NoContent(http.StatusNoContent)
}

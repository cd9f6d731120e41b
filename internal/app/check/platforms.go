package check

import (
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/wallet/provider/android"
)

// checkPlatforms looks at what instances of a wallet may run on.
func (k *checker) checkPlatforms(t config.Tenant) {
	c := t.Provider.Android
	where := t.Name() + ".android"
	if c == nil {
		if !t.Provider.SoftwarePlatform {
			k.Add(report.Finding{
				Level: report.Warning, Where: where, File: t.File,
				What: "no platform is configured: no instance of the wallet can register",
				Fix:  "name the devices and the app that are accepted",
			})
		}
		return
	}
	now := func() time.Time { return k.now }
	if _, err := config.LoadAndroid(where, c, android.NewRevocations(nil, now), now); err != nil {
		k.failed(where, err, c.Roots)
		return
	}
	if c.StatusList != "" {
		data, err := os.ReadFile(c.StatusList)
		if err == nil {
			_, err = android.ParseStatusList(data)
		}
		if err != nil {
			k.failed(where+".status_list_file", err, c.StatusList)
			return
		}
	}
	k.OK(where, "can tell genuine devices")
}

package app

import (
	"context"
	"os"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/wallet/provider"
	"github.com/tegata-id/tegata/wallet/provider/android"
)

// platforms returns the platforms that instances of the tenant's wallet may run
// on.
func (a *App) platforms(c *config.Provider) (map[string]provider.Platform, error) {
	platforms := map[string]provider.Platform{}
	if c.SoftwarePlatform {
		platforms[provider.SoftwarePlatform] = provider.NewSoftwarePlatform()
	}
	if c.Android == nil {
		return platforms, nil
	}
	get := func(context.Context) ([]byte, error) { return os.ReadFile(c.Android.StatusList) }
	if address := c.Android.StatusListURL; address != "" {
		host, _, err := hostOf(address)
		if err != nil {
			return nil, err
		}
		client, err := a.client("status of Android devices", android.MaxStatusListSize, host)
		if err != nil {
			return nil, err
		}
		get = func(ctx context.Context) ([]byte, error) {
			response, err := client.Get(ctx, address, "application/json")
			if err != nil {
				return nil, err
			}
			return response.Body, nil
		}
	}
	verifier, err := config.LoadAndroid("android", c.Android, android.NewRevocations(get, a.opt.Now), a.opt.Now)
	if err != nil {
		return nil, err
	}
	platforms[config.AndroidPlatform] = provider.Platform{Verifier: verifier, Certification: c.Android.Certification}
	return platforms, nil
}

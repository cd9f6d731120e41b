package config

import (
	"fmt"
	"time"

	"github.com/tegata-id/tegata/internal/session"
)

// Client makes a client of the servers, which does not connect
// yet.
func (c *Redis) Client(now func() time.Time) (*session.Redis, error) {
	options := session.Options{
		Addrs: c.Addresses, MasterName: c.MasterName, Cluster: len(c.Addresses) > 1 && c.MasterName == "",
		Username: c.Username, DB: c.DB, Prefix: c.Prefix, Timeout: time.Duration(c.Timeout),
	}
	if c.PasswordFile != "" {
		password, err := ReadSecret("redis.password_file", c.PasswordFile, 1)
		if err != nil {
			return nil, err
		}
		options.Password = string(password)
	}
	backend, err := session.NewRedis(options, now)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return backend, nil
}

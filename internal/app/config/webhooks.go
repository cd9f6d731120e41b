package config

import (
	"cmp"
	"net"
	"net/url"
)

// Webhook is the address of a relying party's program.
type Webhook struct {
	// URL is https. The host must be on the public internet and the port 443
	// unless PrivateNetwork is set: the relying party has its name point where it
	// likes.
	URL            string `yaml:"url"`
	PrivateNetwork bool   `yaml:"private_network,omitempty"`
}

// HasWebhooks reports whether a relying party has a webhook, which takes a
// database.
func (v *Verifier) HasWebhooks() bool { return len(v.Webhooks()) > 0 }

// Webhooks returns the webhooks by relying party.
func (v *Verifier) Webhooks() map[string]Webhook {
	all := map[string]Webhook{}
	for _, p := range v.parties() {
		if p.Webhook != nil {
			all[p.ID] = *p.Webhook
		}
	}
	return all
}

// PrivateHosts returns host:port of webhooks that may be in private networks.
func (v *Verifier) PrivateHosts() (hosts []string) {
	for _, w := range v.Webhooks() {
		if u, err := url.Parse(w.URL); err == nil && w.PrivateNetwork && u.Hostname() != "" {
			hosts = append(hosts, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
		}
	}
	return hosts
}

// maxWebhook is the longest URL of a webhook.
const maxWebhook = 2048

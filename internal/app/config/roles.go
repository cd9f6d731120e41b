package config

// Provider configures a wallet provider.
type Provider struct {
	Endpoint `yaml:",inline"`
	// ClientID is the client identifier that all instances share.
	ClientID   string `yaml:"client_id"`
	WalletName string `yaml:"wallet_name"`
	WalletURL  string `yaml:"wallet_url"`
	// Certification is a URL about the certification of the wallet solution.
	Certification string `yaml:"wallet_certification,omitempty"`
	AdminToken    string `yaml:"admin_token_file"`
	Keys          struct {
		Attestation KeyList `yaml:"attestation"`
		// Status signs status lists. With it attestations can be revoked one
		// by one; without it those of a revoked instance stand until they
		// expire.
		Status KeyList `yaml:"status,omitempty"`
	} `yaml:"keys"`
	// StatusWindow is how often status lists are published.
	StatusWindow Duration `yaml:"status_window,omitempty"`
	// Secret is a file with 32 bytes or more, in hexadecimal.
	Secret string `yaml:"secret_file"`
	// SoftwarePlatform lets any program register as a wallet instance. It is
	// for mode test.
	SoftwarePlatform bool `yaml:"software_platform"`
	// Android accepts the app on Android devices whose hardware vouches for its
	// keys.
	Android *Android `yaml:"android,omitempty"`
}

package register

// ParseAnswer reads an answer to a lookup with the request ID for the claims.
func ParseAnswer(raw []byte, requestID string, claims []string) error {
	_, err := parseAnswer(raw, &lookup{RequestID: requestID, Claims: claims})
	return err
}

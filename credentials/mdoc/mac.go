package mdoc

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
)

// VerifySession is [Verifier.Verify] for a session in person, in which the
// device may authenticate by MAC under a key that it shares with the reader
// (ISO/IEC 18013-5 section 9.1.3.5). reader is the private part of the EReaderKey
// in the transcript.
func (v *Verifier) VerifySession(ctx context.Context, raw []byte, t SessionTranscript, reader *ecdh.PrivateKey) (*credentials.Verified, error) {
	return v.verify(ctx, raw, t, reader)
}

// verifyMAC checks a MAC over the session.
func verifyMAC(mac cose.RawMessage, payload []byte, t SessionTranscript, doc *document, reader *ecdh.PrivateKey) error {
	if reader == nil {
		return fail(ReasonDeviceMAC, "authenticated by deviceMac in a session without a reader key")
	}
	key, err := macKey(t, doc, reader)
	if err != nil {
		return wrap(ReasonDeviceMAC, err, "key of deviceMac")
	}
	if err := cose.VerifyMac0(mac, payload, key); err != nil {
		return wrap(ReasonDeviceMAC, err, "deviceMac")
	}
	return nil
}

// macKey derives EMacKey.
func macKey(t SessionTranscript, doc *document, reader *ecdh.PrivateKey) ([]byte, error) {
	public, ok := doc.deviceKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, fail(ReasonDeviceKey, "the device key can't agree on a key")
	}
	device, err := public.ECDH()
	if err != nil {
		return nil, err
	}
	shared, err := reader.ECDH(device)
	if err != nil {
		return nil, err
	}
	transcript, err := cose.Encode(cose.RawMessage(t.encoded))
	if err != nil {
		return nil, err
	}
	salt := sha256.Sum256(transcript.Raw())
	return hkdf.Key(sha256.New, shared, salt[:], "EMacKey", sha256.Size)
}

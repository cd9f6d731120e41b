"""Chains of certificates, with cryptography."""

import base64
from datetime import datetime, timezone

from cryptography import x509
from jwcrypto.jwk import JWK


def leaf_of(header, anchors, typ, now=None):
    """Returns the certificate of a JWS, which must lead to one of the anchors."""
    if header["typ"] != typ or header["alg"] != "ES256":
        raise ValueError(f"{header['typ']} signed with {header['alg']}")
    return end_of([base64.b64decode(c) for c in header["x5c"]], anchors, now)


def end_of(chain, anchors, now=None):
    """Returns the first certificate of a DER chain that must lead to one of the anchors."""
    chain = [x509.load_der_x509_certificate(der) for der in chain]
    now = now or datetime.now(timezone.utc)
    for i, certificate in enumerate(chain):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise ValueError("a certificate is not valid now")
        above = chain[i + 1 : i + 2] or [a for a in anchors if a.subject == certificate.issuer]
        if not above:
            raise ValueError("the chain does not lead to an anchor")
        certificate.verify_directly_issued_by(above[0])
    return chain[0]


def key_of(certificate):
    return JWK.from_pyca(certificate.public_key())

"""Verifies what a wallet of ours has posted to a verifier.

Reads from standard input the answers, with what was asked and by whom, and the
anchors; prints what was presented. Every answer is verified once more for
another nonce and with one bit changed, which must fail.
"""

import json
import sys

from cryptography import x509
from jwcrypto.common import base64url_decode, base64url_encode
from jwcrypto.jwe import JWE, InvalidJWEData
from jwcrypto.jwk import JWK
from jwcrypto.jws import InvalidJWSSignature
from sd_jwt.verifier import SDJWTVerifier

import devresponse
from chains import key_of, leaf_of

WORLD = json.load(sys.stdin)
ANCHORS = {name: [x509.load_pem_x509_certificate(pem.encode())] for name, pem in WORLD["anchors"].items()}


def opened(answer, response):
    """Returns the presentation in a response, which is encrypted if there is a key."""
    if answer["key"] is None:
        return json.loads(response)["person"][0]
    jwe = JWE()
    jwe.deserialize(response, JWK(**answer["key"]))
    if json.loads(jwe.objects["protected"])["alg"] != "ECDH-ES":
        raise ValueError("alg")
    return json.loads(jwe.payload)["vp_token"]["person"][0]


def claims_of(answer, presentation, nonce):
    """Returns what was presented for the nonce."""
    if answer["format"] == "mso_mdoc":
        thumbprint = answer["key"] and base64url_decode(JWK(**answer["key"]).thumbprint())
        handover = [answer["clientId"], nonce, thumbprint, answer["responseUri"]]
        return devresponse.verified(base64url_decode(presentation), ANCHORS["mso_mdoc"], WORLD["doctype"], handover)
    verifier = SDJWTVerifier(
        presentation, lambda _issuer, header: key_of(leaf_of(header, ANCHORS["dc+sd-jwt"], "dc+sd-jwt")), answer["clientId"], nonce,
    )
    claims = verifier.get_verified_payload()
    if claims["vct"] != WORLD["vct"]:
        raise ValueError("the type is another")
    standard = ("vct", "vct#integrity", "cnf", "iat", "nbf", "exp", "iss", "status", "_sd_alg")
    return {name: value for name, value in claims.items() if name not in standard}


def flipped(text, at):
    """Changes one bit of what base64url says, which ends the text or stands alone in it."""
    head, dot, last = text.rpartition(".")
    changed = bytearray(base64url_decode(last))
    changed[at] ^= 1
    return head + dot + base64url_encode(bytes(changed))


def spoiled(answer, presentation):
    """Changes the signature of the holder."""
    if answer["format"] == "dc+sd-jwt":
        return flipped(presentation, 20)
    # The first string of 64 bytes is the signature of the device.
    return flipped(presentation, base64url_decode(presentation).index(b"\x58\x40") + 10)


def refuses(*call):
    """Ends the run unless the call fails as verification does."""
    try:
        call[0](*call[1:])
    except (ValueError, InvalidJWSSignature, InvalidJWEData):
        return
    raise SystemExit(f"accepted: {call}")


def main():
    out = []
    for answer in WORLD["answers"]:
        presentation = opened(answer, answer["response"])
        out.append(claims_of(answer, presentation, answer["nonce"]))
        refuses(claims_of, answer, presentation, "another-nonce-than-the-verifier-s")
        refuses(claims_of, answer, spoiled(answer, presentation), answer["nonce"])
        if answer["key"]:
            refuses(opened, answer, flipped(answer["response"], 5))
    json.dump(out, sys.stdout)


main()

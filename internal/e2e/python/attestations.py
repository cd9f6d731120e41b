"""Verifies what a wallet provider of ours says of a wallet.

Reads the attestations and what they must say from standard input, and prints a
line for each step that held.
"""

import json
import sys
import urllib.request
import zlib
from datetime import datetime

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from jwcrypto.common import base64url_decode, base64url_encode
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS, InvalidJWSSignature
from pycose.headers import X5chain
from pycose.keys import EC2Key
from pycose.keys.curves import P256
from pycose.messages import Sign1Message

from chains import end_of, key_of, leaf_of

TYPE_OF_LIST = "application/statuslist+cwt"
WORLD = json.load(sys.stdin)
NOW = datetime.fromisoformat(WORLD["now"])
ANCHORS = {name: [x509.load_pem_x509_certificate(pem.encode())] for name, pem in WORLD["anchors"].items()}


def read(token, typ, anchors):
    """Returns the claims of a JWT that is signed by somebody under the anchors."""
    jws = JWS.from_jose_token(token)
    jws.verify(key_of(leaf_of(json.loads(jws.objects["protected"]), anchors, typ, NOW)))
    claims = json.loads(jws.payload)
    if not claims["iat"] - 60 <= NOW.timestamp() < claims["exp"]:
        raise ValueError("it is not valid now")
    return claims


def read_proof(token, jwk):
    """Returns the claims of the proof of possession of a key."""
    jws = JWS.from_jose_token(token)
    if json.loads(jws.objects["protected"])["typ"] != "oauth-client-attestation-pop+jwt":
        raise ValueError("typ")
    jws.verify(JWK(**jwk))
    return json.loads(jws.payload)


def list_in_jwt(token, uri, anchors):
    claims = read(token.decode(), "statuslist+jwt", anchors)
    if claims["sub"] != uri:
        raise ValueError("the list is another")
    return claims["status_list"]["bits"], base64url_decode(claims["status_list"]["lst"])


def list_in_cwt(token, uri, anchors):
    tagged = cbor2.loads(token)
    if tagged.tag != 18:
        raise ValueError("the CWT has no tag 18")
    # What this version of cbor2 returns below a tag is not what pycose expects.
    protected, unprotected, payload, signature = tagged.value
    message = Sign1Message.from_cose_obj([protected, dict(unprotected), payload, signature], True)
    headers = {getattr(k, "identifier", k): v for k, v in message.phdr.items()}
    if headers.get(16) != TYPE_OF_LIST:
        raise ValueError("type")
    chain = message.get_attr(X5chain)
    leaf = end_of(chain if isinstance(chain, list) else [chain], anchors, NOW)
    numbers = leaf.public_key().public_numbers()
    message.key = EC2Key(crv=P256, x=numbers.x.to_bytes(32, "big"), y=numbers.y.to_bytes(32, "big"))
    if not message.verify_signature():
        raise InvalidJWSSignature("the signature of the CWT does not verify")
    claims = cbor2.loads(message.payload)
    if claims[2] != uri or not claims[6] - 60 <= NOW.timestamp() < claims[4]:
        raise ValueError("the list is another or not valid now")
    return claims[65533]["bits"], claims[65533]["lst"]


def status(bits, packed, index):
    if bits != 1:
        raise ValueError(f"{bits} bits")
    return zlib.decompress(packed)[index // 8] >> index % 8 & 1


def download(uri, accept):
    request = urllib.request.Request(uri, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def flipped(token):
    """Changes one bit of the signature of a JWT or a CWT."""
    if isinstance(token, str):
        head, _, signature = token.rpartition(".")
        return head + "." + base64url_encode(flipped(base64url_decode(signature)))
    changed = bytearray(token)
    changed[-10] ^= 1
    return bytes(changed)


def refuses(*call):
    """Ends the run unless the call fails."""
    try:
        call[0](*call[1:])
    except (ValueError, InvalidSignature, InvalidJWSSignature):
        return
    raise SystemExit(f"accepted: {call}")


def same(got, want, what):
    if got != want:
        raise SystemExit(f"{what}: {got}, want {want}")


def main():
    own, other = ANCHORS["provider"], ANCHORS["other"]
    client = read(WORLD["clientAttestation"], "oauth-client-attestation+jwt", own)
    same([client["sub"], client["cnf"]["jwk"]], [WORLD["clientId"], WORLD["instanceKey"]], "client attestation")
    proof = read_proof(WORLD["pop"], client["cnf"]["jwk"])
    same([proof["aud"], proof["challenge"]], [WORLD["audience"], WORLD["challenge"]], "proof of possession")
    keys = read(WORLD["keyAttestation"], "key-attestation+jwt", own)
    same([keys["attested_keys"], keys["nonce"]], [WORLD["attestedKeys"], WORLD["nonce"]], "key attestation")
    print("ok jwcrypto verifies the client attestation, its proof of possession and the key attestation")

    for token, typ in ((WORLD["clientAttestation"], "oauth-client-attestation+jwt"), (WORLD["keyAttestation"], "key-attestation+jwt")):
        refuses(read, flipped(token), typ, own)
        refuses(read, token, typ, other)
        refuses(read, token, "statuslist+jwt", own)
    refuses(read_proof, flipped(WORLD["pop"]), client["cnf"]["jwk"])
    refuses(read_proof, WORLD["pop"], WORLD["attestedKeys"][0])
    print("ok jwcrypto refuses them changed, of another type or for another anchor or key")

    want = 1 if WORLD["revoked"] else 0
    for entry in (client["status"]["status_list"], keys["status"]["status_list"]):
        uri, index = entry["uri"], entry["idx"]
        for reader, accept in ((list_in_jwt, "application/statuslist+jwt"), (list_in_cwt, TYPE_OF_LIST)):
            token = download(uri, accept)
            same(status(*reader(token, uri, own), index), want, f"status in {accept}")
            bad = flipped(token.decode()).encode() if reader is list_in_jwt else flipped(token)
            refuses(reader, bad, uri, own)
            refuses(reader, token, uri + "x", own)
            refuses(reader, token, uri, other)
    print("ok jwcrypto and pycose read the status of both in both forms, and refuse the lists changed")


main()

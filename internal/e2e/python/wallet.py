"""A wallet made of Python libraries answers one request of a verifier.

Reads from standard input the link, a credential with its key, and the anchors
of who may ask and issue; prints how it was asked and what the verifier answered.
"""

import hashlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jwcrypto.common import base64url_decode, base64url_encode
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from sd_jwt.holder import SDJWTHolder
from sd_jwt.verifier import SDJWTVerifier

import devresponse
from chains import key_of, leaf_of


def http(url, form=None):
    """Returns status and body; a form is posted."""
    body = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def fetch_request(link, anchors):
    """Returns the request behind a link, which must be signed by who asks."""
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query))
    form = {} if asked.get("request_uri_method") == "post" else None
    status, text = http(asked["request_uri"], form)
    if status != 200:
        raise ValueError(f"the request: {status} {text}")
    jws = JWS.from_jose_token(text)
    leaf = leaf_of(json.loads(jws.objects["protected"]), anchors, "oauth-authz-req+jwt")
    jws.verify(key_of(leaf))
    request = json.loads(jws.payload)
    prefix, _, value = request["client_id"].partition(":")
    der = leaf.public_bytes(Encoding.DER)
    if prefix != "x509_hash" or value != base64url_encode(hashlib.sha256(der).digest()):
        raise ValueError("the client identifier is not that of the certificate")
    if asked["client_id"] != request["client_id"]:
        raise ValueError("the link names somebody else")
    return request


def present_sdjwt(world, anchors, query, request, nonce):
    """Verifies the SD-JWT VC, and discloses what the query asks for."""
    verified = SDJWTVerifier(
        world["credential"], lambda _issuer, header: key_of(leaf_of(header, anchors, "dc+sd-jwt"))
    ).get_verified_payload()
    if verified["vct"] not in query["meta"]["vct_values"]:
        raise ValueError(f"the credential is {verified['vct']}")
    disclosed = {}
    for claim in query["claims"]:
        at = disclosed
        for name in claim["path"][:-1]:
            at = at.setdefault(name, {})
        at[claim["path"][-1]] = True
    holder = SDJWTHolder(world["credential"])
    holder.create_presentation(disclosed, nonce, request["client_id"], JWK(**world["key"]))
    return holder.sd_jwt_presentation


def post(request, vp_token):
    """Posts the presentations, encrypted if the request wants that."""
    response = {"vp_token": vp_token}
    if "state" in request:
        response["state"] = request["state"]
    if request["response_mode"] == "direct_post":
        return http(request["response_uri"], response | {"vp_token": json.dumps(vp_token)})
    key = encryption_key(request)
    algorithm = request["client_metadata"].get("encrypted_response_enc_values_supported", ["A128GCM"])[0]
    jwe = JWE(
        json.dumps(response).encode(), recipient=key,
        protected={"alg": key["alg"], "enc": algorithm, "kid": key["kid"]},
    )
    return http(request["response_uri"], {"response": jwe.serialize(compact=True)})


def encryption_key(request):
    """Returns the verifier's key for the response, or None if it goes in clear."""
    if request["response_mode"] == "direct_post":
        return None
    return JWK(**request["client_metadata"]["jwks"]["keys"][0])


def main():
    world = json.load(sys.stdin)
    anchors = {name: [x509.load_pem_x509_certificate(pem.encode())] for name, pem in world["anchors"].items()}
    request = fetch_request(world["link"], anchors["access"])
    (query,) = request["dcql_query"]["credentials"]
    nonce = world.get("nonce") or request["nonce"]
    if query["format"] == "mso_mdoc":
        key = encryption_key(request)
        handover = [
            request["client_id"], nonce,
            key and base64url_decode(key.thumbprint()), request["response_uri"],
        ]
        presentation = devresponse.present(
            base64url_decode(world["credential"]), world["key"], anchors["issuer"], query, handover
        )
        presentation = base64url_encode(presentation)
    else:
        presentation = present_sdjwt(world, anchors["issuer"], query, request, nonce)
    status, body = post(request, {query["id"]: [presentation]})
    json.dump({"mode": request["response_mode"], "status": status, "body": body}, sys.stdout)


main()

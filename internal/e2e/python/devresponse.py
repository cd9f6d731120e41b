"""mdocs: pymdoccbor verifies what the issuer signed, and pycose signs and verifies for the device.

pymdoccbor makes no DeviceResponses, so that the structures of ISO 18013-5 and
the handover of OpenID4VP are put together here from cbor2.
"""

import hashlib

import cbor2
from jwcrypto.common import base64url_decode
from pycose.algorithms import Es256
from pycose.headers import Algorithm
from pycose.keys import EC2Key
from pycose.keys.curves import P256
from pycose.messages import Sign1Message
from pymdoccbor.mdoc.verifier import MdocCbor


def present(issuer_signed, jwk, anchors, query, handover):
    """Returns a DeviceResponse with the elements that the query asks for."""
    signed = cbor2.loads(issuer_signed)
    doctype = query["meta"]["doctype_value"]
    wanted = {tuple(claim["path"]) for claim in query["claims"]}
    spaces = {}
    for space, items in signed["nameSpaces"].items():
        chosen = [i for i in items if (space, cbor2.loads(i.value)["elementIdentifier"]) in wanted]
        if chosen:
            spaces[space] = chosen
    no_spaces = cbor2.CBORTag(24, cbor2.dumps({}))
    response = cbor2.dumps({
        "version": "1.0",
        "documents": [{
            "docType": doctype,
            "issuerSigned": {"nameSpaces": spaces, "issuerAuth": signed["issuerAuth"]},
            "deviceSigned": {
                "nameSpaces": no_spaces,
                "deviceAuth": {"deviceSignature": sign(jwk, signed_by_device(handover, doctype, no_spaces))},
            },
        }],
        "status": 0,
    })
    verify(response, anchors, doctype)
    return response


def signed_by_device(handover, doctype, spaces):
    """Returns what the device signs: the DeviceAuthentication over the handover of OpenID4VP."""
    transcript = [None, None, ["OpenID4VPHandover", hashlib.sha256(cbor2.dumps(handover)).digest()]]
    authentication = cbor2.dumps(["DeviceAuthentication", transcript, doctype, spaces])
    return cbor2.dumps(cbor2.CBORTag(24, authentication))


def sign(jwk, payload):
    """Returns a COSE_Sign1, whose payload is detached."""
    x, y, d = (base64url_decode(jwk[name]) for name in ("x", "y", "d"))
    message = Sign1Message(phdr={Algorithm: Es256}, payload=payload)
    message.key = EC2Key(crv=P256, x=x, y=y, d=d)
    protected, unprotected, _, signature = cbor2.loads(message.encode(tag=False))
    return [protected, unprotected, None, signature]


def verify(response, anchors, doctype):
    """Has the library verify the issuer's signature, its chain and the digests."""
    mdoc = MdocCbor()
    mdoc.loads(response)
    if not mdoc.verify(trusted_root_certs=anchors) or [d.doctype for d in mdoc.documents] != [doctype]:
        raise ValueError("pymdoccbor does not verify the mdoc")


def verified(response, anchors, doctype, handover):
    """Returns the elements of a response that issuer and device have signed for the handover."""
    verify(response, anchors, doctype)
    (document,) = cbor2.loads(response)["documents"]
    issuer_auth = document["issuerSigned"]["issuerAuth"]
    key = cbor2.loads(cbor2.loads(issuer_auth[2]).value)["deviceKeyInfo"]["deviceKey"]
    signed = document["deviceSigned"]
    protected, _, _, signature = signed["deviceAuth"]["deviceSignature"]
    payload = signed_by_device(handover, doctype, signed["nameSpaces"])
    message = Sign1Message.from_cose_obj([protected, {}, payload, signature], True)
    message.key = EC2Key(crv=P256, x=key[-2], y=key[-3])
    if not message.verify_signature():
        raise ValueError("the signature of the device does not verify")
    return {
        space: {e["elementIdentifier"]: e["elementValue"] for e in (cbor2.loads(item.value) for item in items)}
        for space, items in document["issuerSigned"]["nameSpaces"].items()
    }

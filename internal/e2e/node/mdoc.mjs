// mdocs with @owf/mdoc.
import { X509Certificate } from 'node:crypto'
import {
  CoseKey, DeviceRequest, DeviceResponse, DocRequest, Holder, IssuerSigned, ItemsRequest, SessionTranscript,
  Verifier,
} from '@owf/mdoc'
import { check, same } from './check.mjs'
import { hash, random, signBytes, verifyBytes, verifyChain } from './crypto.mjs'

const publicOf = ({ jwk: { kty, crv, x, y } }) => ({ kty, crv, x, y })

export const context = {
  crypto: {
    random,
    digest: ({ digestAlgorithm, bytes }) => hash(bytes, digestAlgorithm),
    calculateEphemeralMacKey: () => { throw new Error('not used') },
  },
  cose: {
    sign1: {
      sign: ({ toBeSigned, key }) => signBytes(publicOf(key), toBeSigned),
      verify: ({ key, sign1 }) => verifyBytes(publicOf(key), sign1.toBeSigned, sign1.signature),
    },
    mac0: {
      sign: () => { throw new Error('not used') },
      verify: () => false,
    },
  },
  x509: {
    getIssuerNameField: ({ certificate, field }) =>
      new X509Certificate(certificate).issuer.split('\n').filter((part) => part.startsWith(`${field}=`)).map((part) => part.slice(field.length + 1)),
    getPublicKey: ({ certificate, alg }) =>
      CoseKey.fromJwk({ ...new X509Certificate(certificate).publicKey.export({ format: 'jwk' }), alg }),
    verifyCertificateChain: ({ trustedCertificates, x5chain, now }) => {
      verifyChain(x5chain, trustedCertificates.map((der) => new X509Certificate(der)), now)
    },
    getCertificateData: ({ certificate }) => {
      const c = new X509Certificate(certificate)
      return {
        issuerName: c.issuer, subjectName: c.subject, serialNumber: c.serialNumber, thumbprint: c.fingerprint256,
        notBefore: new Date(c.validFrom), notAfter: new Date(c.validTo), pem: c.toString(),
      }
    },
  },
}

/** Collects what the library checks and lets nothing pass but success. */
function strict(checks) {
  return ({ status, category, check: what, reason }) => {
    check(status === 'PASSED', `${category}: ${what}: ${reason ?? status}`)
    checks.push(what)
  }
}

/**
 * Verifies a credential as received: issuer signature up to an anchor, validity,
 * the digest of every element, and the device key. Returns all elements.
 */
export async function verifyMdoc({ credential, signer }, anchors, doctype) {
  const checks = []
  const trustedCertificates = anchors.map((c) => new Uint8Array(c.raw))
  await Holder.verifyIssuerSigned({ issuerSigned: credential, trustedCertificates, verificationCallback: strict(checks) }, context)
  const issuerSigned = IssuerSigned.fromEncodedForOid4Vci(credential)
  const mso = issuerSigned.issuerAuth.mobileSecurityObject
  same(mso.docType, doctype, 'doctype')
  same(publicOf(mso.deviceKeyInfo.deviceKey), signer.publicJwk, 'device key')
  check(checks.length > 10, 'the library checked too little')
  return elementsOf(issuerSigned)
}

function elementsOf(issuerSigned) {
  const elements = {}
  for (const namespace of issuerSigned.issuerNamespaces.issuerNamespaces.keys()) {
    elements[namespace] = issuerSigned.getPrettyClaims(namespace)
  }
  return elements
}

/**
 * Answers a DCQL credential query with a DeviceResponse over the handover of
 * OpenID4VP 1.0, and has the library verify it first, as a verifier would.
 */
export async function presentMdoc({ credential, signer }, query, handover, anchors) {
  const namespaces = {}
  for (const { path: [namespace, element] } of query.claims) (namespaces[namespace] ??= {})[element] = false
  const deviceRequest = DeviceRequest.create({
    docRequests: [DocRequest.create({ itemsRequest: ItemsRequest.create({ docType: query.meta.doctype_value, namespaces }) })],
  })
  const sessionTranscript = await SessionTranscript.forOid4Vp(handover, context)
  const deviceResponse = await Holder.createDeviceResponseForDeviceRequest({
    deviceRequest, sessionTranscript, issuerSigned: [IssuerSigned.fromEncodedForOid4Vci(credential)],
    signature: { signingKey: CoseKey.fromJwk({ ...signer.publicJwk, alg: 'ES256' }) },
  }, context)
  const encoded = deviceResponse.encodedForOid4Vp
  await Verifier.verifyDeviceResponse({
    deviceRequest, deviceResponse: DeviceResponse.fromEncodedForOid4Vp(encoded), sessionTranscript,
    trustedCertificates: anchors.map((c) => new Uint8Array(c.raw)), onCheck: strict([]),
  }, context)
  return encoded
}

/**
 * Verifies a DeviceResponse with one document over a session transcript. Returns
 * the disclosed elements.
 */
export async function verifyDeviceResponse(encoded, sessionTranscript, anchors, doctype) {
  const deviceResponse = DeviceResponse.fromEncodedForOid4Vp(encoded)
  await Verifier.verifyDeviceResponse({
    deviceResponse, sessionTranscript, trustedCertificates: anchors.map((c) => new Uint8Array(c.raw)), onCheck: strict([]),
  }, context)
  same(deviceResponse.documents?.map((d) => d.docType), [doctype], 'documents')
  return elementsOf(deviceResponse.documents[0].issuerSigned)
}

/** The session transcript of OpenID4VP, over the Digital Credentials API if there is an origin. */
export const transcript = (handover) => (handover.origin ? SessionTranscript.forOid4VpDcApi(handover, context) : SessionTranscript.forOid4Vp(handover, context))

// Keys, signatures and certificate chains: what the protocol libraries leave to
// the wallet, done with Node's own crypto and with jose.
import { createHash, createPublicKey, randomBytes, verify, X509Certificate } from 'node:crypto'
import * as jose from 'jose'

const privateKeys = new Map()

/** A new P-256 key of the wallet, as a signer that the libraries understand. */
export async function newKey() {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256', { extractable: true })
  const { kty, crv, x, y } = await jose.exportJWK(publicKey)
  const publicJwk = { kty, crv, x, y }
  privateKeys.set(await jose.calculateJwkThumbprint(publicJwk), privateKey)
  return { method: 'jwk', alg: 'ES256', publicJwk }
}

/** The key in a PKCS #8 file, as a signer that the libraries understand. */
export async function loadKey(pem) {
  const privateKey = await jose.importPKCS8(pem, 'ES256', { extractable: true })
  const { kty, crv, x, y } = await jose.exportJWK(privateKey)
  const publicJwk = { kty, crv, x, y }
  privateKeys.set(await jose.calculateJwkThumbprint(publicJwk), privateKey)
  return { method: 'jwk', alg: 'ES256', publicJwk }
}

/** The private half of a key of this wallet. */
export async function privateKeyOf(publicJwk) {
  const { kty, crv, x, y } = publicJwk
  const key = privateKeys.get(await jose.calculateJwkThumbprint({ kty, crv, x, y }))
  if (!key) throw new Error('this is not a key of the wallet')
  return key
}

export async function signJwt(signer, { header, payload }) {
  const key = await privateKeyOf(signer.publicJwk)
  const jwt = await new jose.CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader(header).sign(key)
  return { jwt, signerJwk: signer.publicJwk }
}

/** Encodes an ES256 signature over bytes as r and s. */
export async function signBytes(publicJwk, data) {
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, await privateKeyOf(publicJwk), data)
  return new Uint8Array(signature)
}

/** Verifies an ES256 signature over bytes, r and s, with a public JWK. */
export function verifyBytes(publicJwk, data, signature) {
  const key = createPublicKey({ key: publicJwk, format: 'jwk' })
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

const digests = { 'sha-256': 'sha256', 'sha-384': 'sha384', 'sha-512': 'sha512' }

export function hash(data, algorithm) {
  const name = digests[algorithm.toLowerCase()]
  if (!name) throw new Error(`unknown hash ${algorithm}`)
  return new Uint8Array(createHash(name).update(typeof data === 'string' ? data : new Uint8Array(data)).digest())
}

export const random = (length) => new Uint8Array(randomBytes(length))

/**
 * Validates a chain of DER certificates, leaf first and without the anchor, up
 * to one of the anchors, which are X509Certificate, and returns the leaf.
 */
export function verifyChain(chain, anchors, now = new Date()) {
  const certificates = chain.map((der) => new X509Certificate(der))
  if (certificates.length === 0) throw new Error('there is no certificate')
  for (const [i, certificate] of certificates.entries()) {
    if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo)) {
      throw new Error('a certificate is not valid now')
    }
    const issuers = i + 1 < certificates.length ? [certificates[i + 1]] : anchors
    const issuer = issuers.find((c) => certificate.checkIssued(c) && certificate.verify(c.publicKey))
    if (!issuer) throw new Error('the chain does not lead to a trust anchor')
    if (!issuer.ca) throw new Error('an issuing certificate is not that of a CA')
  }
  if (certificates[0].ca) throw new Error('the signing certificate is that of a CA')
  return certificates[0]
}

/** Verifies a compact JWS whose x5c header leads to one of the anchors. */
export async function verifyX5cJwt(compact, anchors, typ) {
  const header = jose.decodeProtectedHeader(compact)
  if (header.typ !== typ) throw new Error(`typ is ${header.typ} and not ${typ}`)
  const leaf = verifyChain(header.x5c.map((c) => Buffer.from(c, 'base64')), anchors)
  await jose.compactVerify(compact, leaf.publicKey, { algorithms: ['ES256'] })
  return leaf
}

/**
 * The key in the x5c header, whose chain must lead to one of the anchors and not
 * contain it.
 */
export function chainedKey({ x5c }, anchors, now) {
  if (!(x5c?.length > 0)) throw new Error('there is no x5c header')
  const chain = x5c.map((der) => Buffer.from(der, 'base64'))
  if (chain.some((der) => anchors.some((anchor) => anchor.raw.equals(der)))) throw new Error('the chain contains the anchor')
  return verifyChain(chain, anchors, now).publicKey
}

/**
 * The callback by which @openid4vc has signatures verified: by the key that it
 * found, or by the x5c header with a chain to one of the anchors.
 */
export const jwtVerifier = (anchors, now) => async (signer, { compact, header }) => {
  const key = signer.method === 'x5c' ? chainedKey(header, anchors, now) : await jose.importJWK(signer.publicJwk, signer.alg)
  await jose.compactVerify(compact, key, { algorithms: ['ES256'] })
  return { verified: true, signerJwk: signer.publicJwk ?? key.export({ format: 'jwk' }) }
}

export async function encryptJwe(encryptor, data) {
  const { publicJwk, alg, enc, apu, apv, cty = 'json' } = encryptor
  const encrypt = new jose.CompactEncrypt(new TextEncoder().encode(data))
    .setProtectedHeader({ alg, enc, kid: publicJwk.kid, cty, ...(apu && { apu }), ...(apv && { apv }) })
  const parameters = {}
  if (apu) parameters.apu = jose.base64url.decode(apu)
  if (apv) parameters.apv = jose.base64url.decode(apv)
  const jwe = await encrypt.setKeyManagementParameters(parameters).encrypt(await jose.importJWK(publicJwk, alg))
  return { jwe, encryptionJwk: publicJwk }
}

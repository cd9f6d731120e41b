// Verifies what a wallet provider of ours says of a wallet: the client attestation
// with its proof of possession, the key attestation, and the status list in both
// forms. It reads them from standard input and ends with 0 if every step held.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cborDecode, Sign1 } from '@owf/mdoc'
import { Oauth2AuthorizationServer, verifyClientAttestationJwt } from '@openid4vc/oauth2'
import { parseKeyAttestationJwt, verifyKeyAttestationJwt } from '@openid4vc/openid4vci'
import { StatusList } from '@sd-jwt/jwt-status-list'
import * as jose from 'jose'
import { check, rejects, same } from './check.mjs'
import { chainedKey, hash, jwtVerifier, newKey, signJwt, verifyBytes, verifyChain } from './crypto.mjs'

const world = JSON.parse(readFileSync(0, 'utf8'))
const now = new Date(world.now)
const anchors = Object.fromEntries(Object.entries(world.anchors).map(([name, pem]) => [name, [new X509Certificate(pem)]]))
const step = (text) => console.log(`ok ${text}`)

const verify = (jwt, typ, trusted, options = {}) =>
  jose.jwtVerify(jwt, (header) => chainedKey(header, trusted, now), { typ, algorithms: ['ES256'], currentDate: now, ...options })

const callbacks = { hash, verifyJwt: jwtVerifier(anchors.provider, now) }

/** Changes a claim and leaves the signature as it is. */
function changed(jwt, claims) {
  const [header, , signature] = jwt.split('.')
  return [header, jose.base64url.encode(JSON.stringify({ ...jose.decodeJwt(jwt), ...claims })), signature].join('.')
}

/** Changes one bit, by default of the signature. */
function flipped(bytes, at = bytes.length - 10) {
  const copy = Buffer.from(bytes)
  copy[at] ^= 1
  return copy
}
const flippedSignature = (jwt) => {
  const [header, payload, signature] = jwt.split('.')
  return [header, payload, jose.base64url.encode(flipped(jose.base64url.decode(signature)))].join('.')
}

const { clientAttestation, pop, keyAttestation } = world
const later = new Date(now.getTime() + 25 * 3600 * 1000)
const stranger = await newKey()

// Client attestation and proof of possession.
const client = (await verify(clientAttestation, 'oauth-client-attestation+jwt', anchors.provider, { requiredClaims: ['sub', 'exp', 'cnf'] })).payload
same(client.sub, world.clientId, 'sub')
same(client.cnf.jwk, world.instanceKey, 'cnf')
check(client.exp - client.iat < 24 * 3600, 'the attestation lives for a day or longer')
const proof = (await jose.jwtVerify(pop, await jose.importJWK(client.cnf.jwk, 'ES256'), {
  typ: 'oauth-client-attestation-pop+jwt', algorithms: ['ES256'], currentDate: now, audience: world.audience, requiredClaims: ['jti', 'iat'],
})).payload
same(proof.challenge, world.challenge, 'challenge')
step('jose verifies the client attestation and its proof of possession')

for (const bad of [flippedSignature(clientAttestation), changed(clientAttestation, { sub: 'https://other.example' }), changed(clientAttestation, { cnf: { jwk: stranger.publicJwk } })]) {
  await rejects(() => verify(bad, 'oauth-client-attestation+jwt', anchors.provider), /signature verification failed/)
}
await rejects(() => verify(clientAttestation, 'oauth-client-attestation+jwt', anchors.other), /does not lead to a trust anchor/)
await rejects(() => verify(clientAttestation, 'key-attestation+jwt', anchors.provider), /"typ"/)
await rejects(() => verify(clientAttestation, 'oauth-client-attestation+jwt', anchors.provider, { currentDate: later }), /"exp"/)
await rejects(async () => jose.jwtVerify(flippedSignature(pop), await jose.importJWK(client.cnf.jwk, 'ES256')), /signature verification failed/)
step('jose refuses them changed, expired, of another type or for another anchor')

const server = new Oauth2AuthorizationServer({ callbacks })
const both = (over = {}) => server.verifyClientAttestation({
  authorizationServer: world.audience, clientAttestationJwt: clientAttestation, clientAttestationPopJwt: pop, now, ...over,
})
const { clientAttestation: read, clientAttestationPop } = await both()
same([read.payload.sub, clientAttestationPop.payload.iss, read.signer.method], [world.clientId, world.clientId, 'x5c'], 'who the client is')
step('@openid4vc/oauth2 verifies both as an authorization server')

const proofBy = (signer, payload) => signJwt(signer, {
  header: { alg: 'ES256', typ: 'oauth-client-attestation-pop+jwt' }, payload: { ...jose.decodeJwt(pop), ...payload },
})
await rejects(() => both({ clientAttestationJwt: flippedSignature(clientAttestation) }), /Error verifying client attestation/)
await rejects(() => both({ clientAttestationPopJwt: flippedSignature(pop) }), /Error verifying client attestation/)
await rejects(async () => both({ clientAttestationPopJwt: (await proofBy(stranger, {})).jwt }), /Error verifying client attestation/)
await rejects(() => both({ authorizationServer: 'https://other.example' }), /'aud' does not match/)
await rejects(() => both({ now: later }), /'exp' is in the past/)
await rejects(() => both({ clientAttestationJwt: keyAttestation }), /client attestation/)
await rejects(() => verifyClientAttestationJwt({ clientAttestationJwt: clientAttestation, callbacks: { hash, verifyJwt: jwtVerifier(anchors.other, now) }, now }), /verification failed/)
step('@openid4vc/oauth2 refuses them changed, expired, by another key or for another server')

// Key attestation.
const keys = (await verify(keyAttestation, 'key-attestation+jwt', anchors.provider, { requiredClaims: ['attested_keys', 'nonce', 'exp'] })).payload
same(keys.attested_keys, world.attestedKeys, 'attested keys')
same(keys.nonce, world.nonce, 'nonce')
for (const bad of [flippedSignature(keyAttestation), changed(keyAttestation, { attested_keys: [stranger.publicJwk] }), changed(keyAttestation, { key_storage: ['iso_18045_high'] })]) {
  await rejects(() => verify(bad, 'key-attestation+jwt', anchors.provider), /signature verification failed/)
}
await rejects(() => verify(keyAttestation, 'key-attestation+jwt', anchors.other), /does not lead to a trust anchor/)
step('jose verifies the key attestation and refuses it changed or for another anchor')

const attested = (over = {}) => verifyKeyAttestationJwt({ callbacks, keyAttestationJwt: keyAttestation, use: 'proof_type.attestation', expectedNonce: world.nonce, now, ...over })
same((await attested()).payload.attested_keys, world.attestedKeys, 'attested keys')
same(parseKeyAttestationJwt({ keyAttestationJwt: keyAttestation, use: 'proof_type.jwt' }).header.typ, 'key-attestation+jwt', 'typ')
await rejects(() => attested({ keyAttestationJwt: flippedSignature(keyAttestation) }), /Error verifiying key attestation/)
await rejects(() => attested({ expectedNonce: 'another-nonce' }), /'nonce' does not match/)
await rejects(() => attested({ now: later }), /'exp' is in the past/)
step('@openid4vc/openid4vci verifies the key attestation and refuses it changed, expired or for another nonce')

// Status lists: an entry of its own for each attestation, in both forms.
const entries = [client, keys].map(({ status }) => status?.status_list)
check(entries.every((e) => e?.uri.startsWith(`${world.provider}/status-lists/`)), 'an attestation has no entry in a list of its provider')
check(entries[0].uri !== entries[1].uri || entries[0].idx !== entries[1].idx, 'two attestations share an entry')

async function download(uri, type) {
  const response = await fetch(uri, { headers: { Accept: type } })
  same([response.status, response.headers.get('content-type')], [200, type], `status list ${uri}`)
  return Buffer.from(await response.arrayBuffer())
}

async function listFromJWT(jwt, uri, trusted) {
  const { payload } = await verify(jwt, 'statuslist+jwt', trusted, { subject: uri, requiredClaims: ['iat', 'exp', 'ttl'] })
  return { bits: payload.status_list.bits, list: StatusList.decompressStatusList(payload.status_list.lst, payload.status_list.bits), exp: payload.exp }
}

async function listFromCWT(cwt, uri, trusted) {
  check(cwt[0] === 0xd2, 'the CWT has no tag 18')
  const sign1 = Sign1.decode(cwt)
  same([sign1.signatureAlgorithmName, sign1.protectedHeaders.headers.get(16)], ['ES256', 'application/statuslist+cwt'], 'algorithm and type')
  const key = verifyChain(sign1.certificateChain, trusted, now).publicKey
  check(verifyBytes(key.export({ format: 'jwk' }), sign1.toBeSigned, sign1.signature), 'the signature of the CWT does not verify')
  const claims = cborDecode(sign1.payload)
  same(claims.get(2), uri, 'sub')
  check(claims.get(4) > now.getTime() / 1000, 'the CWT has expired')
  const { bits, lst } = claims.get(65533) instanceof Map ? Object.fromEntries(claims.get(65533)) : claims.get(65533)
  return { bits, list: StatusList.decompressStatusList(jose.base64url.encode(lst), bits), exp: claims.get(4) }
}

const lists = { jwt: new Map(), cwt: new Map() }
for (const { uri } of entries) {
  const jwt = (await download(uri, 'application/statuslist+jwt')).toString()
  const cwt = await download(uri, 'application/statuslist+cwt')
  lists.jwt.set(uri, { raw: jwt, ...(await listFromJWT(jwt, uri, anchors.provider)) })
  lists.cwt.set(uri, { raw: cwt, ...(await listFromCWT(cwt, uri, anchors.provider)) })
}
for (const form of [lists.jwt, lists.cwt]) {
  for (const { uri, idx } of entries) {
    const { bits, list } = form.get(uri)
    same([bits, list.getStatus(idx)], [1, world.revoked ? 1 : 0], `status of entry ${idx}`)
  }
}
step(`jose, @owf/mdoc and @sd-jwt/jwt-status-list read the status of both in both forms: ${world.revoked ? 'INVALID' : 'VALID'}`)

for (const { uri } of entries) {
  const jwt = lists.jwt.get(uri).raw
  const cwt = lists.cwt.get(uri).raw
  const forged = new StatusList(Array(8).fill(0), 1).compressStatusList()
  await rejects(() => listFromJWT(flippedSignature(jwt), uri, anchors.provider), /signature verification failed/)
  await rejects(() => listFromJWT(changed(jwt, { status_list: { bits: 1, lst: forged } }), uri, anchors.provider), /signature verification failed/)
  await rejects(() => listFromJWT(jwt, `${uri}x`, anchors.provider), /"sub"/)
  await rejects(() => listFromJWT(jwt, uri, anchors.other), /does not lead to a trust anchor/)
  const payload = Sign1.decode(cwt).payload
  await rejects(() => listFromCWT(flipped(cwt), uri, anchors.provider), /does not verify/)
  await rejects(() => listFromCWT(flipped(cwt, cwt.indexOf(payload) + payload.length - 5), uri, anchors.provider), /does not verify/)
  await rejects(() => listFromCWT(cwt, `${uri}x`, anchors.provider), /sub/)
  await rejects(() => listFromCWT(cwt, uri, anchors.other), /does not lead to a trust anchor/)
}
step('they refuse the lists changed, of another address or for another anchor')

// A verifier made of other people's libraries. POST /transactions, by the test,
// says what is asked for, in what form, and what is to be wrong with the request;
// GET /transactions/{id} what came of it.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { calculateX509HashClientIdPrefixValue, Openid4vpVerifier } from '@openid4vc/openid4vp'
import { DcqlPresentationResult, DcqlQuery } from 'dcql'
import * as jose from 'jose'
import { check, same } from './check.mjs'
import { encryptJwe, hash, loadKey, random, signJwt } from './crypto.mjs'
import { derOf } from './issue.mjs'
import { transcript, verifyDeviceResponse } from './mdoc.mjs'
import { verifyPresentation } from './sdjwt.mjs'
import { Refusal, serve } from './server.mjs'

const vct = 'urn:tegata:identity:jp:1'
const doctype = 'id.tegata.identity.jp.1'
const world = JSON.parse(readFileSync(0, 'utf8'))
const anchors = Object.fromEntries(Object.entries(world.anchors).map(([name, pem]) => [name, [new X509Certificate(pem)]]))
const chain = derOf(world.request.chain)
const signer = { ...(await loadKey(world.request.key)), method: 'x5c', x5c: chain.map((der) => der.toString('base64')) }
const thumbprint = await calculateX509HashClientIdPrefixValue({ x509Certificate: new Uint8Array(chain[0]), hash })

const verifier = new Openid4vpVerifier({
  callbacks: {
    hash, signJwt, encryptJwe, generateRandom: random,
    verifyJwt: () => { throw new Error('not used') },
    decryptJwe: async (jwe, { jwk }) => {
      const { key } = [...transactions.values()].find((t) => t.key?.kid === jwk.kid)
      const { plaintext } = await jose.compactDecrypt(jwe, key.privateKey, { keyManagementAlgorithms: ['ECDH-ES'] })
      return { decrypted: true, decryptionJwk: jwk, payload: Buffer.from(plaintext).toString() }
    },
  },
})

const transactions = new Map()
const text = () => jose.base64url.encode(random(24))
const overDCAPI = ({ mode }) => mode.startsWith('dc_api')

const queries = {
  'dc+sd-jwt': { id: 'identity', format: 'dc+sd-jwt', meta: { vct_values: [vct] }, claims: [{ path: ['name'] }, { path: ['age_equal_or_over', '18'] }] },
  mso_mdoc: { id: 'identity', format: 'mso_mdoc', meta: { doctype_value: doctype }, claims: [{ path: [doctype, 'name'] }, { path: ['org.iso.23220.1', 'age_over_18'] }] },
}

async function start({ origin, body }) {
  const t = { ...JSON.parse(body), id: text(), nonce: text(), state: 'waiting', fetched: [] }
  transactions.set(t.id, t)
  // The certificate names localhost.
  t.base = `${origin.replace('127.0.0.1', 'localhost')}`
  t.responseUri = `${t.base}/responses/${t.id}`
  t.clientId = { x509_hash: `x509_hash:${thumbprint}`, x509_san_dns: 'x509_san_dns:localhost', redirect_uri: `redirect_uri:${t.responseUri}` }[t.prefix]
  if (t.mode.endsWith('.jwt')) {
    t.key = { ...(await jose.generateKeyPair('ECDH-ES')), kid: text() }
    t.key.jwk = { ...(await jose.exportJWK(t.key.publicKey)), kid: t.key.kid, use: 'enc', alg: 'ECDH-ES' }
  }
  t.query = DcqlQuery.parse({ credentials: [queries[t.format]] })
  DcqlQuery.validate(t.query)
  if (t.authorize) t.transactionData = [jose.base64url.encode(JSON.stringify({ type: 'urn:example:payment', credential_ids: ['identity'], amount: '4200 JPY' }))]
  const { authorizationRequest, authorizationRequestObject } = t.form === 'value' || t.form === 'parameters' || overDCAPI(t) ? await requestOf(t)
    : { authorizationRequest: `openid4vp://?${new URLSearchParams({ client_id: t.clientId, request_uri: `${t.base}/requests/${t.id}`, ...(t.form === 'post' && { request_uri_method: 'post' }) })}` }
  return { body: { id: t.id, link: authorizationRequest, request: authorizationRequestObject } }
}

/** The request as the library makes it: a link, or a signed request object. */
async function requestOf(t, wallet = {}) {
  const payload = {
    response_type: 'vp_token', response_mode: t.mode, nonce: t.nonce, dcql_query: t.query,
    ...(t.clientId && { client_id: t.clientId }),
    ...(overDCAPI(t) ? t.clientId && { expected_origins: [t.origin] } : { response_uri: t.responseUri, state: t.id }),
    client_metadata: {
      vp_formats_supported: { 'dc+sd-jwt': { 'sd-jwt_alg_values': ['ES256'], 'kb-jwt_alg_values': ['ES256'] }, mso_mdoc: { issuerauth_alg_values: [-7], deviceauth_alg_values: [-7] } },
      ...(t.key && { jwks: { keys: [t.key.jwk] }, encrypted_response_enc_values_supported: ['A256GCM'] }),
    },
    ...(t.transactionData && { transaction_data: t.transactionData }),
    ...(wallet.nonce && { wallet_nonce: wallet.nonce }),
  }
  if (t.fault === 'response elsewhere') payload.response_uri = payload.response_uri.replace('localhost', '127.0.0.1')
  if (t.fault === 'another client') payload.client_id = `x509_hash:${text()}`
  const unsigned = t.prefix === 'redirect_uri' || !t.clientId
  const made = await verifier.createOpenId4vpAuthorizationRequest({
    authorizationRequestPayload: payload,
    ...(!unsigned && {
      jar: {
        jwtSigner: signer, expiresInSeconds: t.fault === 'expired' ? -600 : 300, ...(!overDCAPI(t) && t.form !== 'value' && { requestUri: `${t.base}/requests/${t.id}` }),
        // The library's default is where the request is, but a wallet that nobody
        // has discovered goes by this name.
        ...(t.fault !== 'audience' && { additionalJwtPayload: { aud: 'https://self-issued.me/v2' } }),
        ...(wallet.encryptor && { jweEncryptor: wallet.encryptor }),
      },
    }),
    ...(wallet.nonce && { wallet: { expectedNonce: wallet.nonce } }),
  })
  t.payload = made.authorizationRequestPayload
  return made
}

/** Sends a request object, changed after it was signed if that is the fault. */
async function sendRequest({ request, body, parts: [id] }) {
  const t = transactions.get(id)
  t.fetched.push(request.method)
  const wallet = {}
  if (request.method === 'POST') {
    const form = new URLSearchParams(body)
    const { jwks, request_object_encryption_enc_values_supported: [enc] } = JSON.parse(form.get('wallet_metadata'))
    wallet.nonce = form.get('wallet_nonce')
    wallet.encryptor = { method: 'jwk', publicJwk: jwks.keys[0], alg: 'ECDH-ES', enc, cty: 'JWT' }
  }
  let { jar: { authorizationRequestJwt: object } } = await requestOf(t, wallet)
  const [header, payload, signature] = object.split('.')
  if (t.fault === 'changed') object = [header, jose.base64url.encode(JSON.stringify({ ...jose.decodeJwt(object), nonce: text() })), signature].join('.')
  if (t.fault === 'signature') {
    const bytes = Buffer.from(signature, 'base64url')
    bytes[20] ^= 1
    object = [header, payload, bytes.toString('base64url')].join('.')
  }
  return { headers: { 'Content-Type': 'application/oauth-authz-req+jwt' }, body: object }
}

/** Takes what a wallet answers and remembers what came of it. */
async function answer(t, response) {
  check(t.state === 'waiting', 'the transaction is over')
  if (response.error) {
    Object.assign(t, { state: 'error', reason: response.error })
    return { body: {} }
  }
  try {
    t.claims = await verified(t, response)
    t.state = 'verified'
  } catch (error) {
    Object.assign(t, { state: 'refused', reason: error.message })
    throw new Refusal(400, { error: 'invalid_request' })
  }
  return { body: { redirect_uri: `https://bank.example/return?code=${t.id}` } }
}

async function verified(t, response) {
  const parsed = await verifier.parseOpenid4vpAuthorizationResponse({
    authorizationResponse: response, authorizationRequestPayload: t.payload, callbacks: verifier.options.callbacks, ...(overDCAPI(t) && { origin: t.origin }),
  })
  same([parsed.type, Boolean(parsed.jarm)], ['dcql', Boolean(t.key)], 'kind of response')
  same(Object.keys(parsed.dcql.presentations), ['identity'], 'presentations')
  const [presentation] = parsed.dcql.presentations.identity
  const found = t.format === 'mso_mdoc' ? await checkMdoc(t, presentation) : await checkSDJWT(t, presentation)
  const result = DcqlPresentationResult.fromDcqlPresentation({ identity: [{ ...found.dcql, cryptographic_holder_binding: true }] }, { dcqlQuery: t.query })
  check(result.can_be_satisfied, 'the presentation does not satisfy the query')
  return found.claims
}

async function checkMdoc(t, presentation) {
  const jwkThumbprint = t.key && jose.base64url.decode(await jose.calculateJwkThumbprint(t.key.jwk))
  const sessionTranscript = await transcript(overDCAPI(t) ? { origin: t.origin, nonce: t.nonce, jwkThumbprint }
    : { clientId: t.clientId, nonce: t.nonce, responseUri: t.responseUri, jwkThumbprint })
  const claims = await verifyDeviceResponse(presentation, sessionTranscript, anchors.iaca, doctype)
  return { claims, dcql: { credential_format: 'mso_mdoc', doctype, namespaces: claims } }
}

async function checkSDJWT(t, presentation) {
  const audience = overDCAPI(t) ? `origin:${t.origin}` : t.clientId
  const { claims, binding } = await verifyPresentation(presentation, anchors.issuing, { audience, nonce: t.nonce })
  const { name, age_equal_or_over, ...always } = claims
  check(!('birthdate' in always) && !('address' in always), 'the wallet disclosed more than was asked for')
  if (t.transactionData) {
    await verifier.verifyTransactionData({ transactionData: t.transactionData, credentials: { identity: [binding] } })
  }
  return { claims: { name, age_equal_or_over }, dcql: { credential_format: 'dc+sd-jwt', vct: claims.vct, claims } }
}

await serve(world.tls, async (request) => {
  const url = new URL(request.url)
  const [what, id, more] = url.pathname.slice(1).split('/')
  const call = { origin: url.origin, request, body: request.body, parts: [id] }
  if (what === 'requests') return sendRequest(call)
  if (what === 'responses') return answer(transactions.get(id), Object.fromEntries(new URLSearchParams(request.body)))
  check(what === 'transactions', `there is no ${url.pathname}`)
  if (!id) return start(call)
  if (more === 'answer') return answer(transactions.get(id), JSON.parse(request.body)).catch(() => ({ body: {} }))
  const { state, reason, claims, fetched } = transactions.get(id)
  return { body: { state, reason, claims, fetched } }
})

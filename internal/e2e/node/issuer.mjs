// Issuers with their authorization servers made of other people's libraries. Each
// path below is an issuer of its own, {proof}/{encryption}/{timing}, which wants
// one type of proof, talks in clear or encrypted, and issues at once or later.
// POST /offers, by the test, says what is offered, by which grant, and what is to
// go wrong; GET /offers/{id} what came of it.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { authorizationCodeGrantIdentifier as byCode, Oauth2AuthorizationServer, Oauth2ResourceServer, preAuthorizedCodeGrantIdentifier as byVouching } from '@openid4vc/oauth2'
import { Openid4vciIssuer } from '@openid4vc/openid4vci'
import * as jose from 'jose'
import { check } from './check.mjs'
import { hash, jwtVerifier, loadKey, newKey, random, signJwt } from './crypto.mjs'
import { derOf, issuerOf } from './issue.mjs'
import { Refusal, serve } from './server.mjs'

const world = JSON.parse(readFileSync(0, 'utf8'))
const provider = [new X509Certificate(world.anchors.provider)]
const text = () => jose.base64url.encode(random(24))

const issue = await issuerOf(world)
const metadataSigner = { ...(await loadKey(world.metadata.key)), method: 'x5c', x5c: derOf(world.metadata.chain).map((der) => der.toString('base64')) }
const tokenSigner = { ...(await newKey()), kid: 'tokens' }
const encryption = await jose.generateKeyPair('ECDH-ES', { extractable: true })
const encryptionJwk = { ...(await jose.exportJWK(encryption.publicKey)), kid: 'requests', use: 'enc', alg: 'ECDH-ES' }
const callbacks = {
  hash, generateRandom: random, signJwt, verifyJwt: jwtVerifier(provider),
  clientAuthentication: () => { throw new Error('not used') },
  // The resource server looks for the keys of access tokens at the jwks_uri.
  fetch: async () => new Response(JSON.stringify({ keys: [{ ...tokenSigner.publicJwk, kid: 'tokens', use: 'sig', alg: 'ES256' }] }), { headers: { 'Content-Type': 'application/jwk-set+json' } }),
}
const issuer = new Openid4vciIssuer({ callbacks })
const authorizationServer = new Oauth2AuthorizationServer({ callbacks })
const resourceServer = new Oauth2ResourceServer({ callbacks })

const offers = new Map() // by identifier
const pushed = new Map() // by request_uri
const codes = new Map() // by authorization code or pre-authorized code
const refreshTokens = new Map()
const transactions = new Map()
const challenges = new Set()
const nonces = new Set()
const dpopNonce = text()
const seen = new Set() // what may come once

const once = (what) => {
  check(!seen.has(what), `${what} came twice`)
  seen.add(what)
}

/** What an issuer of a variant says of itself and of its authorization server. */
function metadataOf(id) {
  const [proof, encrypted] = new URL(id).pathname.slice(1).split('/')
  const keyAttestations = proof !== 'jwt' && { key_attestations_required: {} }
  const common = {
    scope: 'identity', proof_types_supported: { [proof === 'attestation' ? 'attestation' : 'jwt']: { proof_signing_alg_values_supported: ['ES256'], ...keyAttestations } },
    credential_metadata: { display: [{ name: 'Identity', locale: 'en' }] },
  }
  const credentialIssuer = issuer.createCredentialIssuerMetadata({
    credential_issuer: id, credential_endpoint: `${id}/credential`, nonce_endpoint: `${id}/nonce`, deferred_credential_endpoint: `${id}/deferred`,
    notification_endpoint: `${id}/notification`, batch_credential_issuance: { batch_size: 5 },
    credential_configurations_supported: {
      sd_jwt: { ...common, format: 'dc+sd-jwt', vct: world.vct, cryptographic_binding_methods_supported: ['jwk'], credential_signing_alg_values_supported: ['ES256'] },
      mdoc: { ...common, format: 'mso_mdoc', doctype: world.doctype, cryptographic_binding_methods_supported: ['cose_key'], credential_signing_alg_values_supported: [-7] },
    },
    ...(encrypted === 'encrypted' && {
      credential_request_encryption: { jwks: { keys: [encryptionJwk] }, enc_values_supported: ['A128GCM', 'A256GCM'], encryption_required: true },
      credential_response_encryption: { alg_values_supported: ['ECDH-ES'], enc_values_supported: ['A128GCM', 'A256GCM'], encryption_required: true },
    }),
  })
  const server = authorizationServer.createAuthorizationServerMetadata({
    issuer: id, authorization_endpoint: `${id}/authorize`, token_endpoint: `${id}/token`, pushed_authorization_request_endpoint: `${id}/par`, jwks_uri: `${id}/jwks`,
    challenge_endpoint: `${id}/challenge`, require_pushed_authorization_requests: true, authorization_response_iss_parameter_supported: true, response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'], dpop_signing_alg_values_supported: ['ES256'], token_endpoint_auth_methods_supported: ['attest_jwt_client_auth'],
    grant_types_supported: [byCode, byVouching, 'refresh_token'],
  })
  return {
    originalDraftVersion: 'V1', credentialIssuer, authorizationServers: [server],
    knownCredentialConfigurations: issuer.getKnownCredentialConfigurationsSupported(credentialIssuer),
  }
}

const routes = {
  async offers({ origin, method, body, parts: [id] }) {
    if (method === 'GET') return { body: offers.get(id).log }
    const asked = JSON.parse(body)
    const offer = { ...asked, id: text(), issuer: `${origin}/${asked.variant}`, code: text(), log: { events: [], requests: [] } }
    if (asked.grant === byVouching) codes.set(offer.code, { offer })
    offers.set(offer.id, offer)
    const { credentialOffer, credentialOfferObject } = await issuer.createCredentialOffer({
      issuerMetadata: metadataOf(offer.issuer), credentialConfigurationIds: [asked.configuration],
      ...(asked.byReference && { credentialOfferUri: `${offer.issuer}/offer/${offer.id}` }),
      grants: asked.grant === byCode ? { [byCode]: { issuer_state: offer.id } } : {
        [byVouching]: { 'pre-authorized_code': offer.code, ...(asked.txCode && { tx_code: { input_mode: 'numeric', length: asked.txCode.length } }) },
      },
    })
    offer.object = credentialOfferObject
    return { body: { id: offer.id, link: credentialOffer } }
  },

  offer: ({ parts: [id] }) => ({ body: offers.get(id).object }),

  challenge() {
    const challenge = text()
    challenges.add(challenge)
    return { body: { attestation_challenge: challenge } }
  },

  async par({ id, request, body }) {
    const form = Object.fromEntries(new URLSearchParams(body))
    const parsed = await authorizationServer.parsePushedAuthorizationRequest({ authorizationRequest: form, request })
    const { clientAttestation, dpop } = await authorizationServer.verifyPushedAuthorizationRequest({
      authorizationRequest: parsed.authorizationRequest, authorizationServerMetadata: metadataOf(id).authorizationServers[0], request,
      clientAttestation: { ...parsed.clientAttestation, required: true }, dpop: { ...parsed.dpop, required: true, allowedSigningAlgs: ['ES256'] },
    })
    challenged(clientAttestation)
    check(form.scope === 'identity' && form.response_type === 'code' && form.code_challenge_method === 'S256' && form.state, `pushed ${JSON.stringify(form)}`)
    const requestUri = `urn:ietf:params:oauth:request_uri:${text()}`
    pushed.set(requestUri, { form, clientId: clientAttestation.clientAttestation.payload.sub, jkt: dpop.jwkThumbprint, offer: offers.get(form.issuer_state) })
    const { pushedAuthorizationResponse } = authorizationServer.createPushedAuthorizationResponse({ requestUri, expiresInSeconds: 60 })
    return { status: 201, body: pushedAuthorizationResponse }
  },

  authorize({ id, query }) {
    const request = pushed.get(query.get('request_uri'))
    once(query.get('request_uri'))
    check(query.get('client_id') === request.clientId, 'client_id is another')
    codes.set(request.offer.code, request)
    const location = new URL(request.form.redirect_uri)
    for (const [name, value] of Object.entries({ code: request.offer.code, iss: id, state: request.form.state })) location.searchParams.set(name, value)
    return { status: 302, headers: { Location: location.toString() } }
  },

  async token({ id, request, body }) {
    const parsed = authorizationServer.parseAccessTokenRequest({ accessTokenRequest: Object.fromEntries(new URLSearchParams(body)), request })
    wantNonce(request, (nonce) => new Refusal(400, { error: 'use_dpop_nonce' }, { 'DPoP-Nonce': nonce }))
    const { grant } = parsed
    const given = codes.get(grant.code ?? grant.preAuthorizedCode) ?? refreshTokens.get(grant.refreshToken)
    if (!given) throw new Refusal(400, { error: 'invalid_grant' })
    const { offer, form, clientId, jkt } = given
    const common = {
      accessTokenRequest: parsed.accessTokenRequest, grant, authorizationServerMetadata: metadataOf(id).authorizationServers[0], request,
      clientAttestation: { ...parsed.clientAttestation, required: true, expectedClientId: clientId },
      dpop: { ...parsed.dpop, required: true, allowedSigningAlgs: ['ES256'], expectedJwkThumbprint: grant.refreshToken ? undefined : jkt },
    }
    const verified = await {
      [byCode]: () => authorizationServer.verifyAuthorizationCodeAccessTokenRequest({
        ...common, expectedCode: offer.code, pkce: { codeVerifier: parsed.pkceCodeVerifier, codeChallenge: form.code_challenge, codeChallengeMethod: 'S256' },
      }),
      [byVouching]: () => authorizationServer.verifyPreAuthorizedCodeAccessTokenRequest({ ...common, expectedPreAuthorizedCode: offer.code, expectedTxCode: offer.txCode || undefined }),
      refresh_token: () => authorizationServer.verifyRefreshTokenAccessTokenRequest({ ...common, expectedRefreshToken: grant.refreshToken }),
    }[grant.grantType]()
    challenged(verified.clientAttestation)
    once(grant.code ?? grant.preAuthorizedCode ?? text())
    const refreshToken = text()
    refreshTokens.set(refreshToken, { offer, clientId: verified.clientAttestation.clientAttestation.payload.sub })
    return {
      body: await authorizationServer.createAccessTokenResponse({
        audience: id, authorizationServer: id, expiresInSeconds: 300, subject: offer.id, scope: 'identity', clientId: verified.clientAttestation.clientAttestation.payload.sub,
        signer: tokenSigner, dpop: verified.dpop, refreshToken,
        // By this grant credentials have identifiers, by the other they go by their configuration.
        ...(offer.grant === byVouching && {
          additionalAccessTokenResponsePayload: { authorization_details: [{ type: 'openid_credential', credential_configuration_id: offer.configuration, credential_identifiers: [`the-${offer.configuration}`] }] },
        }),
      }),
    }
  },

  nonce() {
    const { c_nonce: nonce } = issuer.createNonceResponse({ cNonce: text() })
    nonces.add(nonce)
    return { body: { c_nonce: nonce } }
  },

  async credential(call) {
    const { offer, tokenPayload } = await authorized(call)
    const { message, seal } = await unsealed(call)
    const issuerMetadata = metadataOf(call.id)
    // The library knows credential_response_encryption as drafts had it, with alg beside the key.
    const asked = message.credential_response_encryption
    const parsed = issuer.parseCredentialRequest({
      issuerMetadata, credentialRequest: { ...message, ...(asked && { credential_response_encryption: { ...asked, alg: asked.jwk.alg } }) },
    })
    if (offer.grant === byVouching) check(parsed.credentialIdentifier === `the-${offer.configuration}`, 'the request names no identifier')
    else check(parsed.credentialConfigurationId === offer.configuration, 'the request names another configuration')
    const keys = await provenKeys(parsed.proofs, { issuerMetadata, clientId: tokenPayload.client_id })
    offer.log.requests.push(`${Object.keys(parsed.proofs)[0]} ${keys.length}`)
    const { credentialRequest } = parsed
    if (call.id.endsWith('/deferred')) {
      const transactionId = text()
      transactions.set(transactionId, { keys, polls: 0 })
      return seal(202, issuer.createCredentialResponse({ credentialRequest, transactionId, interval: 1 }))
    }
    return seal(200, issuer.createCredentialResponse({ credentialRequest, credentials: await issue(offer, keys), notificationId: text() }))
  },

  async deferred(call) {
    const { offer } = await authorized(call)
    const { message, seal } = await unsealed(call)
    const asked = message.credential_response_encryption
    const { deferredCredentialRequest } = issuer.parseDeferredCredentialRequest({
      deferredCredentialRequest: { ...message, ...(asked && { credential_response_encryption: { ...asked, alg: asked.jwk.alg } }) },
    })
    const transactionId = deferredCredentialRequest.transaction_id
    const waiting = transactions.get(transactionId)
    if (!waiting) throw new Refusal(400, { error: 'invalid_transaction_id' })
    offer.log.requests.push('deferred')
    if (waiting.polls++ === 0) return seal(202, issuer.createDeferredCredentialResponse({ transactionId, interval: 1 }))
    transactions.delete(transactionId)
    // The library refuses to make this response with a notification_id.
    return seal(200, { ...issuer.createDeferredCredentialResponse({ credentials: await issue(offer, waiting.keys) }), notification_id: text() })
  },

  async notification(call) {
    const { offer } = await authorized(call)
    offer.log.events.push(JSON.parse(call.body).event)
    return { status: 204 }
  },
}

/** The challenge in the proof of possession, which the library does not look at. */
function challenged({ clientAttestationPop }) {
  check(challenges.delete(clientAttestationPop.payload.challenge), 'the challenge is not ours')
  once(clientAttestationPop.payload.jti)
}

/** Lets no DPoP proof pass without our nonce, nor any twice. */
function wantNonce({ headers }, refuse) {
  const { nonce, jti } = jose.decodeJwt(headers.get('DPoP'))
  once(jti)
  if (nonce !== dpopNonce) throw refuse(dpopNonce)
}

async function authorized({ id, request }) {
  wantNonce(request, (nonce) => new Refusal(401, {}, { 'DPoP-Nonce': nonce, 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' }))
  const { tokenPayload } = await resourceServer.verifyResourceRequest({
    authorizationServers: metadataOf(id).authorizationServers, resourceServer: id, request, allowedAuthenticationSchemes: ['DPoP'],
  })
  return { tokenPayload, offer: offers.get(tokenPayload.sub) }
}

/** What a request says, and how to answer: encrypted if it came so. */
async function unsealed({ id, request, body }) {
  const encrypted = id.includes('/encrypted/')
  check(request.headers.get('Content-Type') === (encrypted ? 'application/jwt' : 'application/json'), 'content type')
  if (!encrypted) return { message: JSON.parse(body), seal: (status, answer) => ({ status, body: answer }) }
  const { plaintext, protectedHeader } = await jose.compactDecrypt(body, encryption.privateKey, { keyManagementAlgorithms: ['ECDH-ES'] })
  check(protectedHeader.kid === 'requests', 'kid of the request')
  const message = JSON.parse(Buffer.from(plaintext))
  const { jwk, enc } = message.credential_response_encryption
  return {
    message,
    async seal(status, answer) {
      const jwe = await new jose.CompactEncrypt(Buffer.from(JSON.stringify(answer)))
        .setProtectedHeader({ alg: jwk.alg, enc, ...(jwk.kid && { kid: jwk.kid }) }).encrypt(await jose.importJWK(jwk, jwk.alg))
      return { status, headers: { 'Content-Type': 'application/jwt' }, body: jwe }
    },
  }
}

/** Verifies the proofs and returns the keys that credentials are for. */
async function provenKeys(proofs, { issuerMetadata, clientId }) {
  const used = new Set()
  const fresh = (nonce) => {
    if (!nonces.has(nonce)) throw new Refusal(400, { error: 'invalid_nonce' })
    used.add(nonce)
    return nonce
  }
  let keys = []
  if (proofs.attestation) {
    const [keyAttestationJwt] = proofs.attestation
    const expectedNonce = fresh(jose.decodeJwt(keyAttestationJwt).nonce)
    keys = (await issuer.verifyCredentialRequestAttestationProof({ issuerMetadata, keyAttestationJwt, expectedNonce })).payload.attested_keys
  }
  for (const jwt of proofs.jwt ?? []) {
    const expectedNonce = fresh(jose.decodeJwt(jwt).nonce)
    const { signer, keyAttestation, payload } = await issuer.verifyCredentialRequestJwtProof({ issuerMetadata, jwt, expectedNonce, clientId: jose.decodeJwt(jwt).iss && clientId })
    check(payload.iss === undefined || payload.iss === clientId, 'iss of the proof')
    keys.push(...(keyAttestation?.payload.attested_keys ?? [signer.publicJwk]))
  }
  for (const nonce of used) nonces.delete(nonce)
  return keys.map(({ kty, crv, x, y }) => ({ kty, crv, x, y }))
}

await serve(world.tls, async (request) => {
  const url = new URL(request.url)
  const path = url.pathname.slice(1).split('/')
  if (path[0] === '.well-known') {
    const id = `${url.origin}/${path.slice(2).join('/')}`
    const { credentialIssuer, authorizationServers } = metadataOf(id)
    if (path[1] === 'oauth-authorization-server') return { body: authorizationServers[0] }
    if (request.headers.get('Accept') !== 'application/jwt') return { body: credentialIssuer }
    const signed = await issuer.createSignedCredentialIssuerMetadataJwt({ credentialIssuerMetadata: credentialIssuer, signer: metadataSigner, issuer: id, issuedAt: new Date(), expiresAt: new Date(Date.now() + 60000) })
    return { headers: { 'Content-Type': 'application/jwt' }, body: signed }
  }
  const call = { origin: url.origin, method: request.method, request, body: request.body, query: url.searchParams }
  if (path[0] === 'offers') return routes.offers({ ...call, parts: path.slice(1) })
  return routes[path[3]]({ ...call, id: `${url.origin}/${path.slice(0, 3).join('/')}`, parts: path.slice(4) })
})

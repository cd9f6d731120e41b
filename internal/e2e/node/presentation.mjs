// Answers a verifier by OpenID4VP 1.0 with the client of @openid4vc.
import { Openid4vpClient } from '@openid4vc/openid4vp'
import { base64url, calculateJwkThumbprint } from 'jose'
import { same } from './check.mjs'
import { encryptJwe, hash, signJwt, verifyX5cJwt } from './crypto.mjs'

// What the wallet says of itself when it fetches a request by POST. The library
// puts the members into the form one by one and not into wallet_metadata, so
// that this also shows what the verifier makes of a form it does not know.
const wallet = {
  metadata: {
    vp_formats_supported: { 'dc+sd-jwt': {}, mso_mdoc: {} },
    client_id_prefixes_supported: ['x509_hash'],
    request_object_signing_alg_values_supported: ['ES256'],
  },
}

/**
 * Resolves the request behind a link, whose signer must chain up to one of the
 * anchors, calls build(query, context) for the presentation of its one
 * credential query, and posts it, encrypted in the mode direct_post.jwt. Returns
 * the verifier's answer. The request is fetched with the given method, get or
 * post, and must be for the given response mode.
 */
export async function respond(link, anchors, method, mode, build) {
  const fetched = []
  const client = new Openid4vpClient({
    callbacks: {
      hash, signJwt, encryptJwe,
      fetch: (url, init) => {
        fetched.push(init?.method?.toLowerCase())
        return fetch(url, init)
      },
      decryptJwe: () => ({ decrypted: false }),
      getX509CertificateMetadata: () => ({ sanDnsNames: [], sanUriNames: [] }),
      verifyJwt: async (signer, { compact }) => {
        same(signer.method, 'x5c', 'how the request is signed')
        const leaf = await verifyX5cJwt(compact, anchors, 'oauth-authz-req+jwt')
        return { verified: true, signerJwk: leaf.publicKey.export({ format: 'jwk' }) }
      },
    },
  })
  const { params } = client.parseOpenid4vpAuthorizationRequest({ authorizationRequest: link })
  const resolved = await client.resolveOpenId4vpAuthorizationRequest({
    authorizationRequestPayload: { ...params, request_uri_method: method }, wallet,
  })
  same(fetched, [method], 'how the request was fetched')
  const request = resolved.authorizationRequestPayload
  same(resolved.client.prefix, 'x509_hash', 'client identifier prefix')
  same(resolved.version, 100, 'version of the request')
  same(request.response_mode, mode, 'response mode')

  const [query] = request.dcql_query.credentials
  const jwk = mode === 'direct_post.jwt' ? request.client_metadata.jwks.keys[0] : undefined
  const presentation = await build(query, {
    audience: resolved.client.effective,
    nonce: request.nonce,
    responseUri: request.response_uri,
    jwkThumbprint: jwk && base64url.decode(await calculateJwkThumbprint(jwk)),
  })
  const created = await client.createOpenid4vpAuthorizationResponse({
    authorizationRequestPayload: request,
    authorizationResponsePayload: { vp_token: { [query.id]: [presentation] } },
    jarm: jwk && {
      encryption: { jwk },
      serverMetadata: {
        authorization_signing_alg_values_supported: [],
        authorization_encryption_alg_values_supported: ['ECDH-ES'],
        authorization_encryption_enc_values_supported: ['A256GCM', 'A128GCM'],
      },
    },
  })
  same(created.jarm?.responseJwt.split('.').length, jwk && 5, 'parts of the encrypted response')
  const { response } = await client.submitOpenid4vpAuthorizationResponse({
    authorizationRequestPayload: request, ...created,
  })
  return { status: response.status, body: await response.json() }
}

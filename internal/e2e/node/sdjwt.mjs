// SD-JWT VCs with @sd-jwt/sd-jwt-vc.
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc'
import { base64url } from 'jose'
import { check, same } from './check.mjs'
import { hash, signBytes, verifyBytes, verifyX5cJwt } from './crypto.mjs'

/** The library, for the holder of one key who trusts the given anchors. */
function instance(anchors, signer) {
  const verifier = (typ) => async (data, signature) => {
    await verifyX5cJwt(`${data}.${signature}`, anchors, typ)
    return true
  }
  return new SDJwtVcInstance({
    hasher: hash,
    hashAlg: 'sha-256',
    verifier: verifier('dc+sd-jwt'),
    statusVerifier: verifier('statuslist+jwt'),
    kbSignAlg: 'ES256',
    kbSigner: async (data) => base64url.encode(await signBytes(signer.publicJwk, new TextEncoder().encode(data))),
    kbVerifier: (data, signature, payload) =>
      verifyBytes(payload.cnf.jwk, new TextEncoder().encode(data), base64url.decode(signature)),
  })
}

/**
 * Verifies a credential as received: signature up to an anchor, times, digests,
 * and the status list, which the library fetches. Returns all claims.
 */
export async function verifySDJWT({ credential, signer }, anchors, vct) {
  const { payload } = await instance(anchors, signer).verify(credential)
  same(payload.vct, vct, 'vct')
  same(payload.cnf, { jwk: signer.publicJwk }, 'cnf')
  check(payload.status?.status_list, 'the credential has no status')
  return payload
}

/** Discloses the paths of a DCQL credential query, bound to audience and nonce. */
export async function presentSDJWT({ credential, signer }, query, { audience, nonce }) {
  const frame = {}
  for (const { path } of query.claims) {
    let at = frame
    for (const name of path.slice(0, -1)) at = at[name] ??= {}
    at[path.at(-1)] = true
  }
  return instance([], signer).present(credential, frame, {
    kb: { payload: { iat: Math.floor(Date.now() / 1000), aud: audience, nonce } },
  })
}

/** Verifies our own presentation with the library, as a verifier would. */
export async function checkPresentation(presentation, { signer }, anchors, nonce) {
  return (await instance(anchors, signer).verify(presentation, { keyBindingNonce: nonce })).payload
}

/**
 * Verifies what a wallet presented: the credential with its status, and the
 * KB-JWT for audience and nonce. Returns the claims and the KB-JWT's payload.
 */
export async function verifyPresentation(presentation, anchors, { audience, nonce }) {
  const { payload, kb } = await instance(anchors).verify(presentation, { keyBindingNonce: nonce })
  same(kb.payload.aud, audience, 'aud of the KB-JWT')
  check(Math.abs(kb.payload.iat - Date.now() / 1000) < 60, 'iat of the KB-JWT')
  return { claims: payload, binding: kb.payload }
}

// The wallet instance and its provider: registration and client attestation.
import { sendJSON } from './check.mjs'
import { newKey, signJwt } from './crypto.mjs'

/**
 * Registers a new instance and returns its attestation for one issuer, and a
 * function that has keys attested for a nonce of the issuer.
 */
export async function attestedInstance(provider) {
  const instance = await newKey()
  const prove = async (purpose, claims = {}) => {
    const { challenge } = await sendJSON(`${provider}/challenges`, 200)
    const header = { alg: 'ES256', typ: 'tegata-instance+jwt', jwk: instance.publicJwk }
    const payload = { aud: provider, iat: Math.floor(Date.now() / 1000), nonce: challenge, purpose, ...claims }
    return (await signJwt(instance, { header, payload })).jwt
  }
  const { instance_id: id } = await sendJSON(`${provider}/instances`, 201, {
    body: { instance_key: instance.publicJwk, platform: 'software', proof: await prove('register') },
  })
  const { client_attestation: attestation } = await sendJSON(`${provider}/instances/${id}/client-attestations`, 200, {
    body: { proof: await prove('client-attestation') },
  })
  const attestKeys = async (keys, nonce) => {
    const proof = await prove('key-attestation', { attested_keys: keys, c_nonce: nonce })
    return (await sendJSON(`${provider}/instances/${id}/key-attestations`, 200, { body: { proof } })).key_attestation
  }
  return { attestation, attestKeys }
}

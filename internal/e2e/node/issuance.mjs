// Receives credentials by OpenID4VCI 1.0 with the client of @openid4vc.
import { clientAuthenticationClientAttestationJwt } from '@openid4vc/oauth2'
import { Openid4vciClient } from '@openid4vc/openid4vci'
import { decodeJwt } from 'jose'
import { Browser } from './browser.mjs'
import { check, same } from './check.mjs'
import { hash, newKey, random, signJwt } from './crypto.mjs'

const redirectUri = 'https://wallet.example/callback'

/**
 * Takes an offer, has the person log in and approve unless the offer is
 * pre-authorized and they have its transaction code, and requests as many
 * credentials of each offered configuration as asked for. With attestKeys, the
 * keys are proven by one key attestation. Returns, by configuration, the
 * credentials with the signers of their keys.
 */
export async function receive({ offerLink, attestation, attestKeys, person, txCode, copies }) {
  const crypto = { hash, generateRandom: random, signJwt }
  const client = new Openid4vciClient({
    callbacks: {
      ...crypto, fetch,
      clientAuthentication: clientAuthenticationClientAttestationJwt({ clientAttestationJwt: attestation, callbacks: crypto }),
    },
  })
  const credentialOffer = await client.resolveCredentialOffer(offerLink)
  const issuerMetadata = await client.resolveIssuerMetadata(credentialOffer.credential_issuer)
  same(issuerMetadata.originalDraftVersion, 'V1', 'version of the issuer metadata')
  const configurations = credentialOffer.credential_configuration_ids
  const scopes = configurations.map((id) => issuerMetadata.credentialIssuer.credential_configurations_supported[id].scope)

  const { accessToken, dpop } = txCode ? await redeem({ client, credentialOffer, issuerMetadata, txCode }) : await authorize({
    client, credentialOffer, issuerMetadata, person, scope: scopes.join(' '), clientId: decodeJwt(attestation).sub,
  })
  const received = {}
  for (const id of configurations) {
    received[id] = await request({ client, issuerMetadata, accessToken, dpop, id, copies, attestKeys })
  }
  return received
}

async function redeem({ client, credentialOffer, issuerMetadata, txCode }) {
  const { accessTokenResponse, dpop } = await client.retrievePreAuthorizedCodeAccessTokenFromOffer({
    issuerMetadata, credentialOffer, txCode, dpop: { signer: await newKey() },
  })
  same(accessTokenResponse.token_type, 'DPoP', 'token type')
  return { accessToken: accessTokenResponse.access_token, dpop }
}

async function authorize({ client, credentialOffer, issuerMetadata, person, scope, clientId }) {
  const signer = await newKey()
  const started = await client.createAuthorizationRequestUrlFromOffer({
    credentialOffer, issuerMetadata, clientId, redirectUri, scope, dpop: { signer },
  })
  check(started.pkce, 'the client did not use PKCE')
  const browser = new Browser()
  await browser.open(started.authorizationRequestUrl)
  await browser.press(`person-${person.id}`)
  same(browser.text('person-name'), person.name, 'name on the review page')
  const landed = await browser.press('approve')
  check(landed.startsWith(`${redirectUri}?`), 'the browser did not end at the wallet')

  const answer = client.parseAndVerifyAuthorizationResponseRedirectUrl({
    url: landed, authorizationServerMetadata: issuerMetadata.authorizationServers[0],
  })
  check(answer.code && answer.iss, `no code and iss in the authorization response: ${answer.error}`)
  const { accessTokenResponse, dpop } = await client.retrieveAuthorizationCodeAccessTokenFromOffer({
    issuerMetadata, credentialOffer, authorizationCode: answer.code, pkceCodeVerifier: started.pkce.codeVerifier,
    redirectUri, dpop: started.dpop,
  })
  same(accessTokenResponse.token_type, 'DPoP', 'token type')
  return { accessToken: accessTokenResponse.access_token, dpop }
}

async function request({ client, issuerMetadata, accessToken, dpop, id, copies, attestKeys }) {
  const { c_nonce: nonce } = await client.requestNonce({ issuerMetadata })
  const signers = await Promise.all(Array.from({ length: copies }, newKey))
  const proofs = attestKeys
    ? { attestation: [await attestKeys(signers.map((signer) => signer.publicJwk), nonce)] }
    : { jwt: await Promise.all(signers.map(async (signer) =>
      (await client.createCredentialRequestJwtProof({ issuerMetadata, credentialConfigurationId: id, signer, nonce })).jwt)) }
  const { credentialResponse } = await client.retrieveCredentials({
    issuerMetadata, credentialConfigurationId: id, accessToken, dpop, proofs,
  })
  same(credentialResponse.credentials?.length, copies, `number of ${id} credentials`)
  return credentialResponse.credentials.map(({ credential }, i) => ({ credential, signer: signers[i] }))
}

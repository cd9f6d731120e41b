// Signs credentials with @sd-jwt/sd-jwt-vc and @owf/mdoc.
import { X509Certificate } from 'node:crypto'
import { CoseKey, DeviceKey, IssuerSignedBuilder } from '@owf/mdoc'
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc'
import * as jose from 'jose'
import { check } from './check.mjs'
import { hash, loadKey, newKey, random, signBytes } from './crypto.mjs'
import { context } from './mdoc.mjs'

/** The certificates in a PEM file, as DER. */
export const derOf = (pem) => pem.match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g).map((c) => new X509Certificate(c).raw)

const person = { name: '山田　花子', birthdate: '1985-04-01', nationalities: ['JP'] }

/** A function that signs a credential for each key, or credentials that are as they must not be. */
export async function issuerOf(world) {
  const makers = { sd_jwt: await sdjwtIssuer(world), mdoc: await mdocIssuer(world) }
  return async ({ configuration, fault }, keys) => {
    if (fault === 'another holder key') keys = [(await newKey()).publicJwk, ...keys.slice(1)]
    const make = makers[configuration]
    return Promise.all(keys.map(async (key) => ({ credential: fault === 'changed' ? changed(await make(key)) : await make(key) })))
  }
}

const hour = 3600

async function sdjwtIssuer({ vct, sdjwt: { key, chain } }) {
  const { publicJwk } = await loadKey(key)
  const x5c = derOf(chain).map((der) => der.toString('base64'))
  const instance = new SDJwtVcInstance({
    hasher: hash, hashAlg: 'sha-256', signAlg: 'ES256', saltGenerator: () => jose.base64url.encode(random(16)),
    signer: async (data) => jose.base64url.encode(await signBytes(publicJwk, new TextEncoder().encode(data))),
  })
  return (jwk) => {
    const now = Math.floor(Date.now() / 1000 / hour) * hour
    return instance.issue({ vct, iat: now, exp: now + 24 * hour, cnf: { jwk }, ...person }, { _sd: Object.keys(person), nationalities: { _sd: [0] } }, { header: { x5c } })
  }
}

async function mdocIssuer({ doctype, mdoc: { key, chain } }) {
  const { publicJwk } = await loadKey(key)
  return async (jwk) => {
    const now = new Date(Math.floor(Date.now() / 1000 / hour) * hour * 1000)
    const signed = await new IssuerSignedBuilder(doctype, context).addIssuerNamespace(doctype, person).sign({
      signingKey: CoseKey.fromJwk({ ...publicJwk, alg: 'ES256' }), algorithm: -7, digestAlgorithm: 'SHA-256',
      validityInfo: { signed: now, validFrom: now, validUntil: new Date(now.getTime() + 24 * hour * 1000) },
      deviceKeyInfo: { deviceKey: DeviceKey.fromJwk(jwk) }, certificates: derOf(chain).map((der) => new Uint8Array(der)),
    })
    return signed.encodedForOid4Vci
  }
}

/** Changes what the issuer says of the person after it was signed. */
function changed(credential) {
  if (credential.includes('~')) {
    const [jwt, ...rest] = credential.split('~')
    const [header, , signature] = jwt.split('.')
    const claims = { ...jose.decodeJwt(jwt), exp: Math.floor(Date.now() / 1000) + 48 * hour }
    return [[header, jose.base64url.encode(JSON.stringify(claims)), signature].join('.'), ...rest].join('~')
  }
  const bytes = Buffer.from(credential, 'base64url')
  const at = bytes.indexOf(Buffer.from('花子'))
  check(at > 0, 'the name is not found')
  bytes.set(Buffer.from('太郎'), at)
  return bytes.toString('base64url')
}

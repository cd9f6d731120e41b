// A wallet made of other people's libraries meets Tegata's three roles. It reads
// where they are from standard input and ends with 0 if every step held.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { check, rejects, same, sendJSON } from './check.mjs'
import { receive } from './issuance.mjs'
import { presentMdoc, verifyMdoc } from './mdoc.mjs'
import { respond } from './presentation.mjs'
import { attestedInstance } from './provider.mjs'
import { checkPresentation, presentSDJWT, verifySDJWT } from './sdjwt.mjs'

const vct = 'urn:tegata:identity:jp:1'
const doctype = 'id.tegata.identity.jp.1'
const iso = 'org.iso.23220.1'
const relyingParty = 'https://bank.example/return'

const world = JSON.parse(readFileSync(0, 'utf8'))
const anchors = Object.fromEntries(Object.entries(world.anchors).map(([name, pem]) => [name, [new X509Certificate(pem)]]))
const step = (text) => console.log(`ok ${text}`)

const queries = {
  sdjwt: {
    id: 'identity', format: 'dc+sd-jwt', meta: { vct_values: [vct] },
    claims: [{ path: ['name'] }, { path: ['age_equal_or_over', '18'], values: [true] }],
  },
  mdoc: {
    id: 'identity', format: 'mso_mdoc', meta: { doctype_value: doctype },
    claims: [{ path: [doctype, 'name'] }, { path: [iso, 'age_over_18'], values: [true] }],
  },
}

const otherNonce = { nonce: 'another-nonce-than-the-verifier-s' }
const encrypted = { mode: 'direct_post.jwt', url: world.verifier, token: world.apiToken }
const clear = { mode: 'direct_post', ...world.clear }

/**
 * Has the relying party ask at a verifier, answers with build, and returns both
 * outcomes.
 */
async function transact(query, build, { mode, url, token }) {
  const transactions = `${url}/api/transactions`
  const { id, link } = await sendJSON(transactions, 201, {
    token, body: { dcql_query: { credentials: [query] }, redirect_uri: relyingParty, flow: 'same_device' },
  })
  const method = query.format === 'mso_mdoc' ? 'post' : 'get'
  const answer = await respond(link, anchors.access, method, mode, build)
  let code = ''
  if (answer.status === 200) {
    // The wallet sends the browser on, and the relying party finds the code in
    // the URL that it arrives at.
    const landed = new URL(answer.body.redirect_uri)
    same(landed.origin + landed.pathname, relyingParty, 'where the browser is sent')
    code = `?response_code=${landed.searchParams.get('response_code')}`
  }
  return { answer, result: await sendJSON(`${transactions}/${id}${code}`, 200, { method: 'GET', token }) }
}

async function accepted(query, format, claims, build, verifier = encrypted) {
  const { answer, result } = await transact(query, build, verifier)
  same(answer.status, 200, `answer to the wallet ${JSON.stringify(answer.body)}`)
  same(result.state, 'verified', 'state of the transaction')
  same(result.credentials.map((c) => [c.query_id, c.format]), [['identity', format]], 'credentials of the result')
  same(result.credentials[0].claims, claims, 'claims of the result')
}

async function refused(query, reason, build, verifier = encrypted) {
  const { answer, result } = await transact(query, build, verifier)
  check(answer.status >= 400 && answer.status < 500, `answer to the wallet: ${answer.status} ${JSON.stringify(answer.body)}`)
  same([result.state, result.refusal?.reason], ['refused', reason], 'state of the transaction')
}

/** Puts another character into the signature of the issuer. */
function changedSignature(credential) {
  const [jwt, ...disclosures] = credential.split('~')
  const at = jwt.lastIndexOf('.') + 10
  return [jwt.slice(0, at) + (jwt[at] === 'A' ? 'B' : 'A') + jwt.slice(at + 1), ...disclosures].join('~')
}

/** Puts another prefecture, whose name is as long, into the address. */
function changedElement(credential) {
  const bytes = Buffer.from(credential, 'base64url')
  const at = bytes.indexOf(Buffer.from('東京都'))
  check(at > 0, 'the address is not found')
  bytes.set(Buffer.from('京都府'), at)
  return bytes.toString('base64url')
}

const { attestation, attestKeys } = await attestedInstance(world.provider)
step('the wallet provider attests the instance')

const offer = await sendJSON(`${world.issuer}/admin/offers`, 201, {
  token: world.adminToken, body: { credential_configuration_ids: ['identity_sd_jwt', 'identity_mdoc'] },
})
const received = await receive({ offerLink: offer.link, attestation, person: world.person, copies: 2 })
step('@openid4vc/openid4vci receives two credentials in each format')

for (const each of received.identity_sd_jwt) {
  const claims = await verifySDJWT(each, anchors.issuing, vct)
  same([claims.name, claims.birthdate, claims.age_equal_or_over['18']], [world.person.name, world.person.birthdate, true], 'claims')
}
step('@sd-jwt/sd-jwt-vc verifies the SD-JWT VCs and their status')

// Twins that must fail, or the checks above would prove nothing.
const [one] = received.identity_sd_jwt
await rejects(() => verifySDJWT(one, anchors.iaca, vct), /does not lead to a trust anchor/)
await rejects(() => verifySDJWT({ ...one, credential: changedSignature(one.credential) }, anchors.issuing, vct), /signature verification failed/)
step('@sd-jwt/sd-jwt-vc refuses one that was changed or has another anchor')

for (const each of received.identity_mdoc) {
  const elements = await verifyMdoc(each, anchors.iaca, doctype)
  same([elements[doctype].name, elements[iso].age_over_18], [world.person.name, true], 'elements')
}
step('@owf/mdoc verifies the mdocs')

const [other] = received.identity_mdoc
await rejects(() => verifyMdoc(other, anchors.issuing, doctype), /does not lead to a trust anchor/)
await rejects(() => verifyMdoc({ ...other, credential: changedElement(other.credential) }, anchors.iaca, doctype), /calculated digest/)
step('@owf/mdoc refuses one that was changed or has another anchor')

const vouched = await sendJSON(`${world.issuer}/admin/offers`, 201, {
  token: world.adminToken, body: {
    credential_configuration_ids: ['identity_sd_jwt', 'identity_mdoc'], grant: 'pre-authorized_code',
    person: { name: world.person.name, birth_date: world.person.birthdate }, tx_code: { length: 8 },
  },
})
const attested = await receive({ offerLink: vouched.link, attestation, attestKeys, txCode: vouched.tx_code, copies: 2 })
for (const each of attested.identity_sd_jwt) {
  same((await verifySDJWT(each, anchors.issuing, vct)).name, world.person.name, 'name')
}
for (const each of attested.identity_mdoc) {
  same((await verifyMdoc(each, anchors.iaca, doctype))[doctype].name, world.person.name, 'name')
}
step('@openid4vc/openid4vci receives two credentials in each format, pre-authorized, for keys that the provider attests')

await accepted(queries.sdjwt, 'dc+sd-jwt', { name: world.person.name, age_equal_or_over: { 18: true } }, async (query, context) => {
  const presentation = await presentSDJWT(received.identity_sd_jwt[0], query, context)
  const shown = await checkPresentation(presentation, received.identity_sd_jwt[0], anchors.issuing, context.nonce)
  same(shown.birthdate, undefined, 'what was not asked for')
  return presentation
})
step('the verifier accepts the SD-JWT VC')

await refused(queries.sdjwt, 'holder_binding', (query, context) =>
  presentSDJWT(received.identity_sd_jwt[1], query, { ...context, ...otherNonce }))
step('the verifier refuses it for another nonce')

const device = (credential, change = {}) => (query, { audience: clientId, ...context }) =>
  presentMdoc(credential, query, { clientId, ...context, ...change }, anchors.iaca)

await accepted(queries.mdoc, 'mso_mdoc', { [doctype]: { name: world.person.name }, [iso]: { age_over_18: true } }, device(received.identity_mdoc[0]))
step('the verifier accepts the mdoc')

await refused(queries.mdoc, 'holder_binding', device(received.identity_mdoc[1], otherNonce))
step('the verifier refuses it for another session transcript')

await accepted(queries.sdjwt, 'dc+sd-jwt', { name: world.person.name, age_equal_or_over: { 18: true } },
  (query, context) => presentSDJWT(attested.identity_sd_jwt[0], query, context), clear)
await accepted(queries.mdoc, 'mso_mdoc', { [doctype]: { name: world.person.name }, [iso]: { age_over_18: true } }, device(attested.identity_mdoc[0]), clear)
step('the verifier that wants no encryption accepts both formats')

await refused(queries.sdjwt, 'holder_binding', (query, context) => presentSDJWT(attested.identity_sd_jwt[1], query, { ...context, ...otherNonce }), clear)
await refused(queries.mdoc, 'holder_binding', device(attested.identity_mdoc[1], otherNonce), clear)
step('it refuses both for another nonce')

// The types that others have defined, whose claims come from registers.
const pid = 'eu.europa.ec.eudi.pid.1'
const portrait = '/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=='
const types = ['eu_pid_sd_jwt', 'eu_pid_mdoc', 'mdl_mdoc']
const offered = (more) => sendJSON(`${world.issuer}/admin/offers`, 201, {
  token: world.adminToken, body: { credential_configuration_ids: types, ...more },
})
const others = await receive({ offerLink: (await offered()).link, attestation, person: world.person, copies: 2 })
step('@openid4vc/openid4vci receives the other shipped types')

const { id, birthdate, ...attributes } = world.person
const known = await offered({ grant: 'pre-authorized_code', person: { ...attributes, birth_date: birthdate }, tx_code: { length: 6 } })
const vouchedOthers = await receive({ offerLink: known.link, attestation, attestKeys, txCode: known.tx_code, copies: 2 })
step('@openid4vc/openid4vci receives the other shipped types, pre-authorized, for keys that the provider attests')

for (const each of [...others.eu_pid_sd_jwt, ...vouchedOthers.eu_pid_sd_jwt]) {
  const claims = await verifySDJWT(each, anchors.issuing, 'urn:eudi:pid:1')
  same([claims.family_name, claims.birthdate, claims.nationalities, claims.place_of_birth, claims.picture, claims.issuing_country],
    ['山田', world.person.birthdate, ['JP'], { country: 'JP', locality: '札幌市' }, `data:image/jpeg;base64,${portrait}`, 'JP'], 'claims of the PID')
}
step('@sd-jwt/sd-jwt-vc verifies the PID')

// Dates come as dates, and portraits as bytes.
const dateOf = (value) => new Date(value).toISOString().slice(0, 10)
const member = (value, name) => (value instanceof Map ? value.get(name) : value[name])
for (const each of [...others.eu_pid_mdoc, ...vouchedOthers.eu_pid_mdoc]) {
  const elements = (await verifyMdoc(each, anchors.iaca, pid))[pid]
  same([elements.family_name, dateOf(elements.birth_date), elements.nationality, member(elements.place_of_birth, 'country')],
    ['山田', world.person.birthdate, ['JP'], 'JP'], 'elements of the PID')
  same(Buffer.from(elements.portrait).toString('base64'), portrait, 'portrait of the PID')
}
for (const each of [...others.mdl_mdoc, ...vouchedOthers.mdl_mdoc]) {
  const elements = (await verifyMdoc(each, anchors.iaca, 'org.iso.18013.5.1.mDL'))['org.iso.18013.5.1']
  same([elements.family_name, elements.un_distinguishing_sign, elements.document_number, elements.age_over_18], ['YAMADA', 'J', '123456789018', true], 'elements of the mDL')
  same(dateOf(elements.expiry_date), '2029-05-01', 'expiry of the mDL')
  same(member(elements.driving_privileges[0], 'vehicle_category_code'), 'B', 'privilege of the mDL')
}
step('@owf/mdoc verifies the PID and the mDL')

// An HTTPS server on loopback for the parties that play the other end.
import { createServer } from 'node:https'
import { Oauth2ResourceUnauthorizedError, Oauth2ServerErrorResponseError } from '@openid4vc/oauth2'

/**
 * Serves with the key and the certificate chain, both PEM, and says on standard
 * output where. handle gets a request with method, url, headers and body, and
 * returns status, headers and body, of which an object is sent as JSON. Errors of
 * @openid4vc are answered as the library says.
 */
export function serve({ key, chain }, handle) {
  let origin
  const server = createServer({ key, cert: chain }, async (incoming, outgoing) => {
    const parts = []
    for await (const part of incoming) parts.push(part)
    const request = {
      method: incoming.method, url: new URL(incoming.url, origin).toString(), headers: new Headers(incoming.headers), body: Buffer.concat(parts).toString(),
    }
    let answer
    try {
      answer = await handle(request)
    } catch (error) {
      answer = refusal(error)
    }
    const { status = 200, headers = {}, body = '' } = answer
    const json = typeof body !== 'string'
    outgoing.writeHead(status, { 'Cache-Control': 'no-store', ...(json && { 'Content-Type': 'application/json' }), ...headers })
    outgoing.end(json ? JSON.stringify(body) : body)
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      origin = `https://127.0.0.1:${server.address().port}`
      console.log(`ready ${origin}`)
      resolve(origin)
    })
  })
}

/** An answer that is no success. */
export class Refusal extends Error {
  constructor(status, body, headers) {
    super(JSON.stringify(body))
    this.answer = { status, body, headers }
  }
}

function refusal(error) {
  if (error instanceof Refusal) return error.answer
  if (error instanceof Oauth2ServerErrorResponseError) return { status: error.status ?? 400, body: error.errorResponse }
  if (error instanceof Oauth2ResourceUnauthorizedError) return { status: 401, headers: { 'WWW-Authenticate': error.toHeaderValue() } }
  console.error(error)
  return { status: 500, body: { error: 'server_error' } }
}

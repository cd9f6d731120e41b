import { isDeepStrictEqual } from 'node:util'

/** Ends the run unless the condition holds. */
export function check(condition, message) {
  if (!condition) throw new Error(message)
}

/** Ends the run unless both values are deeply equal. */
export function same(got, want, what) {
  check(isDeepStrictEqual(got, want), `${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`)
}

/** Ends the run unless the function fails with the expected message. */
export async function rejects(fn, expected) {
  let message
  try {
    await fn()
  } catch (error) {
    message = error.message
  }
  check(message !== undefined, `nothing failed with ${expected}`)
  check(expected.test(message), `failed with "${message}", want ${expected}`)
}

/** Sends JSON and returns the JSON of the answer, which must have the status. */
export async function sendJSON(url, want, { method = 'POST', token, body } = {}) {
  const headers = {}
  if (token) headers.Authorization = `Bearer ${token}`
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  const text = await response.text()
  check(response.status === want, `${method} ${url}: ${response.status} ${text}`)
  return JSON.parse(text)
}

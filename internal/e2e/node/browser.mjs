// A person's browser: it follows redirects, keeps cookies and presses buttons.
import { check } from './check.mjs'

export class Browser {
  #cookies = new Map()
  #url
  #page = ''

  /** Opens a URL and follows redirects as long as they stay on its origin. */
  async open(url, init = {}) {
    const origin = new URL(url).origin
    for (let hops = 0; hops < 5; hops++) {
      const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, Cookie: this.#cookieHeader() } })
      for (const cookie of response.headers.getSetCookie()) this.#keep(cookie)
      this.#url = url
      this.#page = await response.text()
      if (response.status < 300 || response.status > 399) {
        check(response.ok, `${init.method ?? 'GET'} ${new URL(url).pathname} answered ${response.status}: ${this.#page}`)
        return url
      }
      url = new URL(response.headers.get('location'), url).toString()
      if (new URL(url).origin !== origin) return url
      init = {}
    }
    throw new Error('too many redirects')
  }

  /** Presses the button with the ID and returns where the browser ends. */
  async press(id) {
    for (const [, attributes, content] of this.#page.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)) {
      for (const [, button] of content.matchAll(/<button\b([^>]*)>/g)) {
        if (attribute(button, 'id') !== id) continue
        check(attribute(attributes, 'method') === 'post', 'the form is not posted')
        const body = new URLSearchParams({ [attribute(button, 'name')]: attribute(button, 'value') })
        return this.open(new URL(attribute(attributes, 'action'), this.#url).toString(), { method: 'POST', body })
      }
    }
    throw new Error(`the page ${this.#url} has no button ${id}`)
  }

  /** The text of the element with the ID. */
  text(id) {
    const match = this.#page.match(new RegExp(`id="${id}"[^>]*>([^<]*)<`))
    check(match, `the page ${this.#url} has no element ${id}`)
    return match[1].trim()
  }

  #keep(cookie) {
    const [pair, ...attributes] = cookie.split(';').map((part) => part.trim())
    const name = pair.slice(0, pair.indexOf('='))
    if (attributes.some((a) => /^max-age=(0|-\d+)$/i.test(a))) this.#cookies.delete(name)
    else this.#cookies.set(name, pair)
  }

  #cookieHeader() {
    return [...this.#cookies.values()].join('; ')
  }
}

function attribute(tag, name) {
  const value = tag.match(new RegExp(`(?:^|\\s)${name}="([^"]*)"`))?.[1]
  return value?.replaceAll('&amp;', '&').replaceAll('&#43;', '+')
}

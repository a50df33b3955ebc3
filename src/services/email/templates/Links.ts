import type { Settings } from "../../../core/settings/Settings.ts"

/** A URL under PUBLIC_URL. Only `Links` creates it. */
export class Link {
  readonly #url: string

  private constructor(url: string) {
    this.#url = url
  }

  /** Returns a link to the host of `base`, below its path, whatever `path` contains. */
  static readonly under = (base: URL, path: string) => {
    const [, name = "", search = "", hash = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(path) ?? []
    const url = new URL(base.origin)
    // These setters cannot change the host, and `..` cannot leave the root.
    url.pathname = name
    url.search = search
    url.hash = hash
    const root = base.pathname.replace(/\/+$/, "")
    return new Link(
      `${base.origin}${root}${url.pathname.replace(/^\/+/, "/")}${url.search}${url.hash}`,
    )
  }

  toString() {
    return this.#url
  }
}

/** Creates all links in e-mails. */
export interface Links {
  readonly to: (path: string) => Link
}

/** Links to PUBLIC_URL, or to localhost if it is not set, which only EMAIL_PROVIDER=console allows. */
export const linksOf = ({ PORT, PUBLIC_URL }: Settings["Service"]): Links => {
  const base = new URL(PUBLIC_URL ?? `http://localhost:${PORT}`)
  return { to: (path) => Link.under(base, path) }
}

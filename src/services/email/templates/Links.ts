import type { Settings } from "../../../core/Settings.ts"

/** An address under PUBLIC_URL. Only `Links` makes it. */
export class Link {
  readonly #url: string

  private constructor(url: string) {
    this.#url = url
  }

  /** Whatever `path` is, the link leads to the host of `base` and below its path. */
  static readonly under = (base: URL, path: string) => {
    const [, name = "", search = "", hash = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(path) ?? []
    const url = new URL(base.origin)
    // Its parts cannot change its host; dots do not lead above its root.
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

/** All links of our mails come from here. */
export interface Links {
  readonly to: (path: string) => Link
}

/** To PUBLIC_URL; where none is set, which only a console allows, to this machine. */
export const linksOf = ({ PORT, PUBLIC_URL }: Settings["Service"]): Links => {
  const base = new URL(PUBLIC_URL ?? `http://localhost:${PORT}`)
  return { to: (path) => Link.under(base, path) }
}

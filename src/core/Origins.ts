import { Option, Schema } from "effect"

/**
 * JSON text of a list of origins as browsers send them (WHATWG HTML, "serialization of an origin"): they are compared
 * as text, so one that is written in another way would never match. The message tells what is wrong with each, by its
 * place and without its value.
 */
export const OriginList = Schema.String.check(
  Schema.makeFilter((text) => {
    const origins = Option.getOrUndefined(decode(text))
    if (origins === undefined) {
      return 'must be a JSON list of origins, like ["https://app.example.com"]'
    }
    const problems = origins.flatMap((origin, at) => {
      const first = origins.indexOf(origin)
      const problem = first < at ? `is origin ${first + 1} again: leave it out` : problemOf(origin)
      return problem === undefined ? [] : [`origin ${at + 1} ${problem}`]
    })
    return problems.length === 0 || problems.join("; ")
  }),
)

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))

/** The origins of a text that fits `OriginList`. */
export const originsIn = (text: string): ReadonlyArray<string> =>
  Option.getOrElse(decode(text), () => [])

const problemOf = (origin: string) =>
  forms.find(([form]) => form.test(origin))?.[1] ??
  (isOrigin(origin) ? undefined : "is none: write it as in https://app.example.com")

/** The first that fits is told. */
const forms: ReadonlyArray<readonly [form: RegExp, problem: string]> = [
  [/\*/, "has a wildcard: list every origin exactly, because credentials are allowed"],
  [/[\s\p{Cc}]/u, "has white space in it: leave it out"],
  [/^null$/i, "is what any sandboxed page sends: leave it out"],
  [/^(?![a-z][a-z\d+.-]*:\/\/)/i, "has no scheme: write https:// or http:// before the host"],
  [
    /^(?:wss?|ftp|file|data|blob|about|javascript):/i,
    "has a scheme that no page has: write https:// or http://",
  ],
  [/[?#]/, "has a query or a fragment: end it after the host and port"],
  [/:\/\/[^/]*\/$/, "ends in a slash: leave it out"],
  [/:\/\/[^/]*\//, "has a path: end it after the host and port"],
  [/@/, "has a user name: leave it out"],
  [/\P{ASCII}/u, "has a host outside ASCII: write it in punycode (xn--), as browsers send it"],
  [/\p{Lu}/u, "has capital letters: write them small, as browsers send them"],
  [/^(?:http:.*:80|https:.*:443)$/, "names the default port: leave it out, as browsers do"],
]

/** Apps have schemes of their own, as in capacitor://localhost. */
const isOrigin = (origin: string) =>
  /^https?:/.test(origin)
    ? URL.canParse(origin) && new URL(origin).origin === origin
    : /^[^:]+:\/\/[\w.-]+(?::\d+)?$/.test(origin)

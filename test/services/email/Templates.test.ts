import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { assert as check, property, string } from "fast-check"
import { type Environment, Settings } from "../../../src/core/settings/Settings.ts"
import { type EmailContent, toDisplayText } from "../../../src/domain/Email.ts"
import { letterheadOf } from "../../../src/services/email/templates/Base.ts"
import { dailyReport } from "../../../src/services/email/templates/DailyReport.ts"
import { exportReady } from "../../../src/services/email/templates/ExportReady.ts"
import { html } from "../../../src/services/email/templates/Html.ts"
import { Link } from "../../../src/services/email/templates/Links.ts"
import { notification } from "../../../src/services/email/templates/Notification.ts"
import { passwordReset } from "../../../src/services/email/templates/PasswordReset.ts"
import { welcome } from "../../../src/services/email/templates/Welcome.ts"
import { naughtyStrings } from "../../fixtures/data/NaughtyStrings.ts"

const hostile = [
  ...naughtyStrings,
  "</title></style><script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  "<!-- ",
  "]]>",
  "&lt;script&gt;",
  "a\r\nBcc: mallory@example.com\r\n\r\n<b>",
  "\u202egnp.exe\u2066",
  "https://evil.example",
  "javascript:alert(1)",
]

const tag = /<(?:!doctype html|\/?[a-z][a-z\d]*(?:\s+[a-z-]+="[^"<>]*")*\s*\/?)>/g

const entities: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
}

const decoded = (text: string) =>
  text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities[entity] ?? "")

/**
 * Splits a page into tags, links and text, and checks that every `<` starts a tag and every `&` an
 * entity.
 */
const anatomyOf = (page: string) => {
  const texts = page.split(tag)
  for (const text of [...texts, ...(page.match(tag) ?? []).map((one) => one.slice(1, -1))]) {
    assert.notMatch(text, /[<>]|&(?!(?:amp|lt|gt|quot|#39);)/)
  }
  const tags = page.match(tag) ?? []
  return {
    tags: tags.map((one) => one.replaceAll(/ href="[^"]*"/g, " href")),
    links: tags.flatMap((one) =>
      [...one.matchAll(/ href="([^"]*)"/g)].map((m) => decoded(m[1] ?? "")),
    ),
    text: decoded(texts.join(" ")),
  }
}

const pageWith = (text: string) => html`<p title="${text}">${text}</p>`.toString()

describe("A template", () => {
  const { tags } = anatomyOf(pageWith("x"))
  const escapes = (text: string) => {
    const inner = /^<p title="([^"]*)">([^<]*)<\/p>$/.exec(pageWith(text)) ?? []
    anatomyOf(pageWith(text))
    return (
      decoded(inner[1] ?? "") === toDisplayText(text) &&
      decoded(inner[2] ?? "") === toDisplayText(text)
    )
  }

  it("escapes every text, so that it is displayed unchanged", () => {
    assert.lengthOf(tags, 2)
    check(property(string({ unit: "binary" }), escapes))
    for (const text of hostile) assert.isTrue(escapes(text), JSON.stringify(text))
  })

  it("includes other templates unescaped", () => {
    const parts = ["a", "<b>"].map((text) => html`<li>${text}</li>`)
    assert.strictEqual(
      html`${parts}${1}${html`<br />`}`.toString(),
      "<li>a</li>\n<li>&lt;b&gt;</li>1<br />",
    )
  })
})

const stays = (base: string, path: string) => {
  const link = Link.under(new URL(base), path).toString()
  const { origin, password, pathname, username } = new URL(link)
  const root = new URL(base).pathname.replace(/\/$/, "")
  return (
    link.startsWith(`${origin}${root}/`) &&
    origin === new URL(base).origin &&
    pathname.startsWith(`${root}/`) &&
    // Some servers redirect `//name` to another host.
    !pathname.startsWith(`${root}//`) &&
    `${username}${password}` === "" &&
    /^[\x21-\x7e]+$/.test(link) &&
    !/["<>]/.test(link)
  )
}

describe("A link", () => {
  const paths = [
    ...hostile,
    "//evil.example",
    "///evil.example/",
    String.raw`\\evil.example`,
    String.raw`/\evil.example`,
    "/\t/evil.example",
    "/..//evil.example",
    "/../../secret",
    "/%2e%2e/%2e%2e/secret",
    "@evil.example",
    ":80@evil.example",
    ".evil.example",
    "https://evil.example",
    "?x=1",
    "#top",
    "",
  ]

  it.each(["https://app.example.com", "https://example.com/app", "http://localhost:8000"])(
    "leads below %s only",
    (base) => {
      check(property(string({ unit: "binary" }), (path) => stays(base, path)))
      check(property(string(), (path) => stays(base, `/${path}`)))
      for (const path of paths) assert.isTrue(stays(base, path), JSON.stringify(path))
    },
  )

  it("keeps its path, query and fragment", () => {
    const path = "/reset/a%20b?token=x.y-z_%2B&next=%2Fhome#form"
    assert.strictEqual(
      Link.under(new URL("https://example.com/app/"), path).toString(),
      `https://example.com/app${path}`,
    )
  })
})

const letterhead = (environment: Environment) =>
  Effect.map(Settings, letterheadOf).pipe(
    Effect.provide(
      Layer.fresh(
        Settings.layerFrom({ SECRET_KEY: "q8Zr3LxV0mN5tKc7WbY1uHs9JdGfPe2A", ...environment }),
      ),
    ),
  )

const PUBLIC_URL = "https://app.example.com/base"
const head = Effect.runSync(letterhead({ PUBLIC_URL, PROJECT_NAME: "Plinth & <Co>" }))

const report = {
  date: "2026-11-26",
  users: { total: 12_840, active: 12_011, new_last_24_hours: 42 },
  projects: { total: 3, new_last_24_hours: 0 },
  jobs: { failed: 1, waiting: 17 },
}

const words = (text: string) => text.match(/[\p{L}\d]+/gu) ?? []

/** Each e-mail, with the given text in every field. */
const mails: ReadonlyArray<readonly [string, (text: string) => EmailContent]> = [
  ["welcome", (text) => welcome(head, { full_name: text })],
  ["password reset", (text) => passwordReset(head, { path: text, expires_in_minutes: 30 })],
  [
    "notification",
    (text) =>
      notification(head, {
        title: text,
        body: text.replaceAll(/\s+/g, " "),
        path: text,
      }),
  ],
  ["export ready", (text) => exportReady(head, { path: text })],
  ["daily report", (text) => dailyReport(head, { ...report, date: text })],
]

describe.each(mails)("The %s e-mail", (_, mail) => {
  const usual = mail("x")

  it("is a complete page that loads nothing", () => {
    const { tags } = anatomyOf(usual.html)
    const names = tags.map((one) => /^<\/?([a-z\d]+)/.exec(one)?.[1])
    assert.strictEqual(tags[0], "<!doctype html>")
    assert.strictEqual(tags[1], '<html lang="en">')
    assert.lengthOf(
      tags.filter((one) => one.startsWith("<h1")),
      1,
    )
    assert.notIncludeMembers(names, ["script", "img", "link", "iframe", "form"])
    assert.notMatch(usual.html, /@import|url\(|src=/)
  })

  it("links only to PUBLIC_URL, with the same links in plain text", () => {
    for (const text of hostile) {
      const { html: page, text: plain } = mail(text)
      const { links } = anatomyOf(page)
      assert.isAtLeast(links.length, 1)
      for (const link of links) {
        assert.isTrue(link.startsWith(`${PUBLIC_URL}/`), link)
        assert.include(plain.split("\n"), link)
      }
    }
  })

  it("has the same structure, whatever text it contains", () => {
    const { tags } = anatomyOf(usual.html)
    const holds = (text: string) => {
      const { html: page, subject, text: plain } = mail(text)
      // An empty body, title or name has no element.
      if (text.trim() !== "" && toDisplayText(text).trim() !== "") {
        assert.deepStrictEqual(anatomyOf(page).tags, tags)
      }
      assert.notMatch(subject, /[\p{Cc}\u2028\u2029\u202a-\u202e]/u)
      assert.notMatch(plain.replaceAll("\n", ""), /[\p{Cc}\u2028\u2029\u202a-\u202e]/u)
    }
    check(property(string({ unit: "binary" }), holds))
    for (const text of hostile) holds(text)
  })

  it("says the same in plain text and HTML", () => {
    const shown = new Set(words(anatomyOf(usual.html).text))
    for (const word of words(usual.text)) assert.include([...shown], word)
  })
})

describe("The content of e-mails", () => {
  it("greets by name, if there is one", () => {
    assert.include(welcome(head, { full_name: "Ada" }).text, "Welcome, Ada")
    assert.include(welcome(head, { full_name: null }).text, "Welcome to Plinth & <Co>")
    assert.include(welcome(head, { full_name: "\u202e " }).text, "Welcome to Plinth & <Co>")
  })

  it.each([
    [1, "1 minute"],
    [30, "30 minutes"],
    [60, "1 hour"],
    [90, "90 minutes"],
    [120, "2 hours"],
  ])("states that a link of %i minutes works for %s", (expires_in_minutes, words) => {
    const { html: page, text } = passwordReset(head, { path: "/reset", expires_in_minutes })
    assert.include(text, `within ${words};`)
    assert.include(page, `within ${words};`)
  })

  it("shows each paragraph and line of a notification, and a button only with a path", () => {
    const body = "a\n<b>\n\nc"
    const { html: page, subject, text } = notification(head, { title: "T", body, path: null })
    assert.strictEqual(subject, "T")
    assert.include(text, body)
    assert.include(page, "<br />&lt;b&gt;</p>")
    const { tags } = anatomyOf(page)
    assert.lengthOf(
      tags.filter((one) => one.startsWith("<p ")),
      2,
    )
    assert.notInclude(page, 'class="button"')
    assert.include(
      notification(head, { title: "T", body: "b", path: "/p" }).text,
      `Open Plinth & <Co>:\n${PUBLIC_URL}/p`,
    )
  })

  it("shows every number of the report", () => {
    const { html: page, text } = dailyReport(head, report)
    for (const number of ["12,840", "12,011", "42", "17"]) {
      assert.include(page, `>${number}<`)
      assert.include(text, `  ${number}`)
    }
    assert.include(text, "1 failed job needs attention.")
    const { jobs: _, ...others } = report
    const fine = dailyReport(head, { ...others, jobs: { failed: 0, waiting: 0 } })
    assert.include(fine.text, "No failed jobs.")
  })

  it.effect("links to this machine without PUBLIC_URL", () =>
    Effect.gen(function* () {
      const local = yield* letterhead({ PORT: "8123" })
      assert.include(welcome(local, { full_name: null }).text, "http://localhost:8123/\n")
    }),
  )
})

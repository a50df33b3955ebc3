import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { assert as check, property, string } from "fast-check"
import {
  EmailAddress,
  toDisplayText,
  mailboxOf,
  toOneLine,
  Subject,
  subjectOf,
} from "../../src/domain/Email.ts"
import { naughtyStrings } from "../fixtures/data/NaughtyStrings.ts"

const isAddress = Schema.is(EmailAddress)

/** Any text, including ill-formed Unicode. */
const anyText = string({ unit: "binary", maxLength: 300 })

describe("EmailAddress", () => {
  it.each([
    "ada@example.com",
    "ada.lovelace+plinth@mail.example.co.uk",
    "o'brien_{x}~!#$%&*/=?^`|@example.com",
    "root@localhost",
    "дмитрий@пример.рф",
    "ümlaut@exämple.com",
    "zoe\u0308@example.com",
    "संपर्क@डाटामेल.भारत",
    "用户@例子.广告",
    "مثال@مثال.السعودية",
    `${"𐐨".repeat(64)}@example.com`,
    `${"a".repeat(64)}@${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(63)}.${"e".repeat(63)}`,
  ])("accepts %s", (text) => assert.isTrue(isAddress(text)))

  it.each([
    "",
    "ada",
    "@example.com",
    "ada@",
    "ada@@example.com",
    "ada@example.com@example.org",
    "ada @example.com",
    "ada@exam ple.com",
    " ada@example.com",
    "ada@example.com ",
    "ada@example.com\n",
    "ada@example.com\r\nBcc: mallory@example.com",
    "ada@example.com%0d%0aBcc:x@example.com ",
    "ada\0@example.com",
    "ada\u00a0@example.com",
    "ada\u2028@example.com",
    "ada\u202e@example.com",
    "ada\u200b@example.com",
    "ada@example.com,mallory@example.com",
    "ada@example.com,example.org",
    "ada@example,example.org",
    "ada,mallory@example.com",
    "ada.,mallory@example.com",
    "ada@example.com;mallory@example.com",
    "Ada <ada@example.com>",
    "<ada@example.com>",
    '"ada"@example.com',
    "ada(comment)@example.com",
    "ada@[127.0.0.1]",
    "ada:mallory@example.com",
    String.raw`ada\@example.com`,
    ".ada@example.com",
    "ada.@example.com",
    "ada..lovelace@example.com",
    "ada@.example.com",
    "ada@example..com",
    "ada@example.com.",
    "ada\ud800@example.com",
    // Invisible: format characters, and letters and marks without a glyph.
    ...[
      0xad, 0x34f, 0x115f, 0x17b4, 0x200c, 0x200d, 0x2060, 0x3164, 0xfe0f, 0xfeff, 0xe0001, 0xe0100,
    ].map((code) => `ada${String.fromCodePoint(code)}@example.com`),
    // Compatibility forms of ordinary characters.
    "\uff41da@example.com",
    "\ufb01ona@example.com",
    "ad\u00aa@example.com",
    "ada@\uff45xample.com",
    "ada@example\uff0ecom",
    "ada\uff20example.com",
    // A combining mark needs a letter before it.
    "\u0301ada@example.com",
    "ada@\u0301example.com",
    "ada.\u0301a@example.com",
    "mailto:ada@example.com",
    "ada@-example.com",
    "ada@example-.com",
    `${"a".repeat(65)}@example.com`,
    `${"𐐨".repeat(65)}@example.com`,
    `ada@${"b".repeat(256)}`,
    `a@${"b".repeat(320)}`,
  ])("refuses %j", (text) => assert.isFalse(isAddress(text)))

  it("never contains a character that could add a header or recipient", () => {
    const steering = /[\p{Cc}\p{Z}<>()[\]\\,;:"]|@.*@/u
    check(property(anyText, (text) => !isAddress(`${text}@example.com`) || !steering.test(text)))
    for (const text of naughtyStrings.filter(isAddress)) assert.notMatch(text, steering)
  })
})

const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u

const isHeaderText = (text: string, max: number) =>
  !unsafe.test(text) && text.isWellFormed() && Array.from(text).length <= max

const staysLegible = (text: string) =>
  isHeaderText(subjectOf(text), 150) &&
  isHeaderText(toOneLine(text, 20), 20) &&
  !unsafe.test(toDisplayText(text).replaceAll("\n", "")) &&
  toDisplayText(toDisplayText(text)) === toDisplayText(text)

describe("Untrusted text", () => {
  it("becomes one legible line as a subject, and cannot start another header", () => {
    check(property(anyText, staysLegible))
    for (const text of naughtyStrings) assert.isTrue(staysLegible(text), JSON.stringify(text))
    assert.strictEqual(subjectOf("Hi\r\nBcc: mallory@example.com\0"), "Hi Bcc: mallory@example.com")
    assert.isFalse(Schema.is(Subject)("Hi\r\nBcc: mallory@example.com"))
  })

  it("keeps its legible characters", () => {
    assert.strictEqual(toDisplayText("a\r\nb\rc\nd\u2028e"), "a\nb\nc\nd\ne")
    assert.strictEqual(subjectOf("  Ada’s  “engine” 🛠️ \n"), "Ada’s “engine” 🛠️")
    assert.strictEqual(toOneLine("😀".repeat(30), 20), `${"😀".repeat(19)}…`)
  })
})

describe("mailboxOf", () => {
  const address = EmailAddress.make("no-reply@example.com")

  it.each([
    ["Plinth", "Plinth <no-reply@example.com>"],
    ["Plinth & Co", "Plinth & Co <no-reply@example.com>"],
    ["Plinth, Inc.", '"Plinth, Inc." <no-reply@example.com>'],
    ["Grünspan", '"Grünspan" <no-reply@example.com>'],
    ['x" <a@b.c>, "', String.raw`"x\" <a@b.c>, \"" <no-reply@example.com>`],
    ["x\\", String.raw`"x\\" <no-reply@example.com>`],
    ["x\r\nBcc: a@b.c", '"x Bcc: a@b.c" <no-reply@example.com>'],
  ])("formats %j", (name, expected) => {
    assert.strictEqual(mailboxOf({ address, name }), expected)
  })

  it("returns one mailbox, whatever the name", () => {
    const one = /^(?:[\w !#$%&'*+/=?^`{|}~-]+|"(?:[^"\\]|\\.)*") <no-reply@example\.com>$/u
    const holds = (name: string) =>
      one.test(mailboxOf({ address, name })) && !unsafe.test(mailboxOf({ address, name }))
    check(property(anyText, holds))
    for (const name of naughtyStrings) assert.isTrue(holds(name), JSON.stringify(name))
  })
})

import { Schema } from "effect"

/** Letters of every script (RFC 6531 §3.3), and what a name without quotes may hold (RFC 5322 §3.2.3). */
const address =
  /^(?!\p{M})[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.(?!\p{M})[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*@(?![\p{M}-])[\p{L}\p{M}\p{N}-]+(?<!-)(?:\.(?![\p{M}-])[\p{L}\p{M}\p{N}-]+(?<!-))*$/u

/** RFC 5321 §4.5.3.1, in code points, beside the @. */
const maxLength = { local: 64, domain: 255 }

/**
 * A plain address: one mailbox, as a header may hold it. There are no angle brackets, quotes, comments, commas nor
 * `mailto:` around it, and no control, format or invisible characters in it. No character has a compatibility form
 * (RFC 8264 §9.17), so that a fullwidth `ａ` is no second `a`. Tokens, settings and operators all bring e-mails by
 * this rule.
 */
export const isEmailAddress = (text: string) => {
  if (text.length > 2 * (maxLength.local + 1 + maxLength.domain) || !address.test(text))
    return false
  const at = text.indexOf("@")
  return (
    isWithin(text.slice(0, at), maxLength.local) &&
    isWithin(text.slice(at + 1), maxLength.domain) &&
    (isAscii.test(text) ||
      (!invisible.test(text) && text.normalize("NFKC") === text.normalize("NFC")))
  )
}

const isWithin = (text: string, max: number) => text.length <= max || Array.from(text).length <= max

const isAscii = /^[!-~]+$/

/** Fillers, joiners and variation selectors, some of which are letters or marks. */
const invisible = /\p{Default_Ignorable_Code_Point}/u

export const EmailAddress = Schema.String.annotate({ examples: ["ada@example.com"] })
  .check(Schema.makeFilter((text) => isEmailAddress(text) || "must be an e-mail address"))
  .pipe(Schema.brand("EmailAddress"))
export type EmailAddress = typeof EmailAddress.Type

/**
 * Text of anybody's that can be shown: line feeds are its only control characters, nothing in it turns the direction
 * of what comes after it, and it is Unicode.
 */
export const legible = (text: string) =>
  text
    .toWellFormed()
    .replaceAll(/\r\n?|[\u0085\u2028\u2029]/g, "\n")
    .replaceAll(/(?!\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, " ")

/** The same on one line, of at most `max` code points. */
export const oneLine = (text: string, max: number) => {
  const line = Array.from(legible(text).replaceAll(/\s+/g, " ").trim())
  return line.length <= max ? line.join("") : `${line.slice(0, max - 1).join("")}…`
}

/** One line, which cannot end its header. Made by `subjectOf`. */
export const Subject = Schema.String.check(
  Schema.makeFilter((text) => text === oneLine(text, 150) || "must be one line"),
).pipe(Schema.brand("Subject"))
export type Subject = typeof Subject.Type

export const subjectOf = (text: string): Subject => Subject.make(oneLine(text, 150))

/** Who sends. The name is one line. */
export interface Sender {
  readonly address: EmailAddress
  readonly name: string
}

/** `name <address>` of RFC 5322 §3.4, its name in quotes where it is more than plain words. */
export const mailboxOf = ({ address, name }: Sender) => {
  const line = oneLine(name, 100)
  return /^[\w !#$%&'*+/=?^`{|}~-]+$/.test(line)
    ? `${line} <${address}>`
    : `"${line.replaceAll(/["\\]/g, String.raw`\$&`)}" <${address}>`
}

/** What a mail says, whoever gets it. `text` says all that `html` says. */
export interface EmailContent {
  readonly subject: Subject
  readonly html: string
  readonly text: string
}

export interface EmailMessage extends EmailContent {
  readonly to: EmailAddress
}

const rejections = {
  invalid: "something in it is not valid",
  too_large: "it is too large",
  key_reused: "another one was sent with its key",
  refused: "it is not wanted",
}

/**
 * The provider will never take this mail. `key_reused`: it has taken one with the same key and another content.
 * `cause` holds no text of the provider's, which may repeat an address.
 */
export class EmailRejectedError extends Schema.TaggedError<EmailRejectedError>()(
  "EmailRejectedError",
  {
    reason: Schema.Literals(["invalid", "too_large", "key_reused", "refused"]),
    cause: Schema.optionalKey(Schema.Defect()),
  },
) {
  get retryable(): false {
    return false
  }
  override get message() {
    return `The e-mail was rejected: ${rejections[this.reason]}`
  }
}

/** The provider takes no more for now. `retry_after` in seconds, when it is known. */
export class EmailThrottledError extends Schema.TaggedError<EmailThrottledError>()(
  "EmailThrottledError",
  { retry_after: Schema.optionalKey(Schema.Int), cause: Schema.optionalKey(Schema.Defect()) },
) {
  get retryable(): true {
    return true
  }
  override get message() {
    return "Too many e-mails"
  }
}

/** No answer, or none that helps: the mail may have been taken. `retry_after` in seconds, when it is known. */
export class EmailUnavailableError extends Schema.TaggedError<EmailUnavailableError>()(
  "EmailUnavailableError",
  { retry_after: Schema.optionalKey(Schema.Int), cause: Schema.optionalKey(Schema.Defect()) },
) {
  get retryable(): true {
    return true
  }
  override get message() {
    return "The e-mail provider is unavailable"
  }
}

const misconfigurations = {
  key: "the provider does not know the API key",
  permission: "the API key or the sender is not allowed to send",
  address: "there is no such provider at its base URL",
  recipient: "ADMIN_EMAIL is not set",
}

/** Our settings are wrong: no mail will be taken before somebody mends them. */
export class EmailNotConfiguredError extends Schema.TaggedError<EmailNotConfiguredError>()(
  "EmailNotConfiguredError",
  {
    reason: Schema.Literals(["key", "permission", "address", "recipient"]),
    cause: Schema.optionalKey(Schema.Defect()),
  },
) {
  get retryable(): false {
    return false
  }
  override get message() {
    return `E-mail is not set up: ${misconfigurations[this.reason]}`
  }
}

/** `retryable`: the same mail may be taken later. */
export type EmailError =
  | EmailRejectedError
  | EmailThrottledError
  | EmailUnavailableError
  | EmailNotConfiguredError

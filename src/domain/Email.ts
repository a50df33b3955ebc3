import { Schema } from "effect"
import { maxLength } from "./Bounds.ts"

/** Allows letters of every script (RFC 6531 §3.3) and the characters of an unquoted local part (RFC 5322 §3.2.3). */
const address =
  /^(?!\p{M})[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.(?!\p{M})[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*@(?![\p{M}-])[\p{L}\p{M}\p{N}-]+(?<!-)(?:\.(?![\p{M}-])[\p{L}\p{M}\p{N}-]+(?<!-))*$/u

/**
 * Accepts a plain address: one mailbox that is safe in a header. Rejects angle brackets, quotes, comments, commas,
 * `mailto:`, and control, format or invisible characters. Also rejects characters with a compatibility form
 * (RFC 8264 §9.17), so that a fullwidth `ａ` does not pass as a second `a`. Applies to e-mails from tokens, settings
 * and operators alike.
 */
export const isEmailAddress = (text: string) => {
  if (text.length > 2 * maxLength.email || !address.test(text)) return false
  const at = text.indexOf("@")
  return (
    isWithin(text.slice(0, at), maxLength.emailLocalPart) &&
    isWithin(text.slice(at + 1), maxLength.emailDomain) &&
    (isAscii.test(text) ||
      (!invisible.test(text) && text.normalize("NFKC") === text.normalize("NFC")))
  )
}

const isWithin = (text: string, max: number) => text.length <= max || Array.from(text).length <= max

const isAscii = /^[!-~]+$/

/** Matches fillers, joiners and variation selectors, some of which are letters or marks. */
const invisible = /\p{Default_Ignorable_Code_Point}/u

export const EmailAddress = Schema.String.annotate({ examples: ["ada@example.com"] })
  .check(Schema.makeFilter((text) => isEmailAddress(text) || "must be an e-mail address"))
  .pipe(Schema.brand("EmailAddress"))
export type EmailAddress = typeof EmailAddress.Type

/**
 * Makes untrusted text safe to display: well-formed Unicode, without control characters except line feeds, and without
 * characters that change the direction of the text after them.
 */
export const toDisplayText = (text: string) =>
  text
    .toWellFormed()
    .replaceAll(/\r\n?|[\u0085\u2028\u2029]/g, "\n")
    .replaceAll(/(?!\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, " ")

/** Like `toDisplayText`, on one line of at most `max` code points. */
export const toOneLine = (text: string, max: number) => {
  const line = Array.from(toDisplayText(text).replaceAll(/\s+/g, " ").trim())
  return line.length <= max ? line.join("") : `${line.slice(0, max - 1).join("")}…`
}

/** One line, so that it cannot end its header. Created by `subjectOf`. */
export const Subject = Schema.String.check(
  Schema.makeFilter(
    (text) => text === toOneLine(text, maxLength.emailSubject) || "must be one line",
  ),
).pipe(Schema.brand("Subject"))
export type Subject = typeof Subject.Type

export const subjectOf = (text: string): Subject =>
  Subject.make(toOneLine(text, maxLength.emailSubject))

/** The sender of an e-mail. `name` is one line. */
export interface Sender {
  readonly address: EmailAddress
  readonly name: string
}

/** Formats `name <address>` (RFC 5322 §3.4), quoting a name that is more than plain words. */
export const mailboxOf = ({ address, name }: Sender) => {
  const line = toOneLine(name, 100)
  return /^[\w !#$%&'*+/=?^`{|}~-]+$/.test(line)
    ? `${line} <${address}>`
    : `"${line.replaceAll(/["\\]/g, String.raw`\$&`)}" <${address}>`
}

/** An e-mail without its recipient. `text` has the full content of `html`. */
export interface EmailContent {
  readonly subject: Subject
  readonly html: string
  readonly text: string
}

export interface EmailMessage extends EmailContent {
  readonly to: EmailAddress
}

const rejectionMessages = {
  invalid: "its address or content is not valid",
  too_large: "it is too large",
  key_reused: "its idempotency key was used for another e-mail",
  refused: "the provider refuses to send it",
}

/**
 * The provider will never accept this e-mail. `key_reused`: it has accepted one with the same key and other content.
 * `cause` holds no text from the provider, which may repeat an address.
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
    return `The e-mail was rejected: ${rejectionMessages[this.reason]}`
  }
}

/** The provider limits the sending rate. `retry_after` is in seconds, when known. */
export class EmailThrottledError extends Schema.TaggedError<EmailThrottledError>()(
  "EmailThrottledError",
  { retry_after: Schema.optionalKey(Schema.Int), cause: Schema.optionalKey(Schema.Defect()) },
) {
  get retryable(): true {
    return true
  }
  override get message() {
    return "The e-mail provider's rate limit is reached"
  }
}

/** No response, or an unclear one: the e-mail may have been accepted. `retry_after` is in seconds, when known. */
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

const misconfigurationMessages = {
  key: "the provider rejected the API key",
  permission: "the API key or the sender is not allowed to send",
  address: "no e-mail provider was found at the base URL",
  recipient: "ADMIN_EMAIL is not set",
}

/** The settings are wrong: no e-mail can be sent until they are fixed. */
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
    return `E-mail is not configured: ${misconfigurationMessages[this.reason]}`
  }
}

/** The failures of sending an e-mail. With `retryable` true, the same e-mail may be accepted later. */
export type EmailError =
  | EmailRejectedError
  | EmailThrottledError
  | EmailUnavailableError
  | EmailNotConfiguredError

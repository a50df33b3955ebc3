import { Data, Option, Schema } from "effect"
import * as CallVerdict from "../../core/CallVerdict.ts"
import type { AiError } from "../../domain/Ai.ts"

/** Why there is no answer. The vendor's words are not part of it: they may repeat what they were sent. */
export interface Failure {
  readonly reason: AiError["reason"]
  readonly status: number | null
  readonly verdict: CallVerdict.CallVerdict
}

/** A failure on its way through an SDK, which passes it on, or wraps it. */
export class Refusal extends Data.TaggedError("AiRefusal")<{ readonly failure: Failure }> {
  override readonly message = "refused"
}

/** An answer that makes no sense, or ends too early. */
export const garbage: Failure = {
  reason: "unavailable",
  status: null,
  verdict: CallVerdict.unusable,
}

/** Instead of an answer: the prompt is against the policy. */
export const blocked: Failure = {
  reason: "content_policy",
  status: null,
  verdict: { fault: "ours", retry: "never" },
}

export const timedOut: Failure = {
  reason: "unavailable",
  status: null,
  verdict: CallVerdict.unanswered,
}

/** No connection, or one that ended before an answer began: asked again, as the SDKs would by themselves. */
export const unreached: Failure = {
  reason: "unavailable",
  status: null,
  verdict: { fault: "theirs", retry: "always" },
}

/** `retryAfter`: as the header of that name. */
export const ofAnswer = (status: number, body: string, retryAfter: string | undefined): Failure => {
  const json = Schema.decodeOption(Json)(body)
  return classified(status, saidIn(Option.getOrNull(json)), retryAfter)
}

/** What an SDK failed with. All of them throw, in the middle of a stream, an error that the vendor sent in it. */
export const ofThrown = (thrown: unknown): Failure => {
  const refusal = refusalIn(thrown) ?? (thrown instanceof Error ? refusalIn(thrown.cause) : null)
  if (refusal !== null) return refusal.failure
  const sent = Schema.decodeUnknownOption(Sent)(thrown)
  if (Option.isNone(sent)) return timedOut
  const { error, message, status } = sent.value
  // Google's holds it as the end of a text.
  const said = error ?? Option.getOrNull(Schema.decodeOption(Json)(jsonIn(message)))
  return classified(status ?? null, saidIn(said), undefined)
}

const refusalIn = (value: unknown) => (value instanceof Refusal ? value : null)

const jsonIn = (text: string) => text.slice(Math.max(0, text.indexOf("{")))

const Json = Schema.fromJsonString(Schema.Unknown)

const Sent = Schema.Struct({
  message: Schema.String,
  status: Schema.optional(Schema.Finite),
  error: Schema.optional(Schema.Unknown),
})

/** `code` and `type` of OpenAI, `type` of Anthropic, `status` of Google. */
const Said = Schema.Struct({
  code: Schema.optional(Schema.Unknown),
  type: Schema.optional(Schema.Unknown),
  status: Schema.optional(Schema.Unknown),
  message: Schema.optional(Schema.Unknown),
  details: Schema.optional(Schema.Unknown),
})
type Said = typeof Said.Type

const Wrapped = Schema.Struct({ error: Said })

const saidIn = (body: unknown): Said => {
  const one: unknown = Array.isArray(body) ? body[0] : body
  const wrapped = Schema.decodeUnknownOption(Wrapped)(one)
  if (Option.isSome(wrapped)) return wrapped.value.error
  return Option.getOrElse(Schema.decodeUnknownOption(Said)(one), () => ({}))
}

type Kind = readonly [
  reason: AiError["reason"],
  statuses: ReadonlyArray<number>,
  words: ReadonlyArray<string>,
  message: RegExp,
]

/**
 * The first that fits. Money that ran out is our fault, as is a key, whatever the status. Words by
 * https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors and
 * https://ai.google.dev/gemini-api/docs/troubleshooting; messages where there is no word.
 */
const kinds: ReadonlyArray<Kind> = [
  [
    "authentication",
    [401, 402, 403],
    [
      "insufficient_quota",
      "billing_hard_limit_reached",
      "billing_error",
      "invalid_api_key",
      "authentication_error",
      "permission_error",
    ],
    /^API key (?:not valid|expired)|^Your credit balance is too low/,
  ],
  [
    "context_length",
    [413],
    ["context_length_exceeded", "request_too_large"],
    /prompt is too long|maximum context length|exceeds? (?:the maximum number of tokens|(?:the )?context (?:window|limit))/i,
  ],
  [
    "content_policy",
    [],
    ["content_policy_violation", "content_filter", "invalid_prompt"],
    /content (?:filtering|management|usage) policy/i,
  ],
  [
    "rate_limited",
    [429],
    ["rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"],
    /^\b$/,
  ],
  ["overloaded", [503, 529], ["overloaded_error", "UNAVAILABLE"], /^\b$/],
  ["invalid_request", [400, 404, 405, 409, 422], ["invalid_request_error"], /^\b$/],
]

const classified = (
  status: number | null,
  { code, details, message, status: state, type }: Said,
  retryAfter: string | undefined,
): Failure => {
  const text = typeof message === "string" ? message : ""
  // Of a server's own failure, what it says is not to be trusted.
  const readable = status === null || status < 500
  const [reason] = kinds.find(
    ([, statuses, words, pattern]) =>
      statuses.some((one) => one === status) ||
      (readable &&
        (words.some((word) => word === code || word === type || word === state) ||
          pattern.test(text))),
  ) ?? ["unavailable"]
  return { reason, status, verdict: verdictOf(reason, status, retryAfter ?? delayIn(details)) }
}

const verdictOf = (
  reason: AiError["reason"],
  status: number | null,
  retryAfter: string | undefined,
): CallVerdict.CallVerdict => {
  switch (reason) {
    case "rate_limited":
      return CallVerdict.ofStatus(429, retryAfter)
    // Refused before anything was done.
    case "overloaded":
      return { ...CallVerdict.ofStatus(503, retryAfter), retry: "always" }
    case "unavailable":
      return status === null ? CallVerdict.unanswered : CallVerdict.ofStatus(status, retryAfter)
    default:
      return { fault: "ours", retry: "never" }
  }
}

const Delays = Schema.Array(Schema.Struct({ retryDelay: Schema.optional(Schema.String) }))

/** Google's has no header: `google.rpc.RetryInfo`, in seconds, like `34.07s`. */
const delayIn = (details: unknown) => {
  const delays = Option.getOrElse(Schema.decodeUnknownOption(Delays)(details), () => [])
  const retryDelay = delays.find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay
  return retryDelay !== undefined && /^\d+(?:\.\d+)?s$/.test(retryDelay)
    ? String(Math.ceil(Number.parseFloat(retryDelay)))
    : undefined
}

import { Data, Option, Schema } from "effect"
import * as CallVerdict from "../../core/outbound/CallVerdict.ts"
import type { AiError } from "../../domain/ai/Ai.ts"

/** The reason for a failed call. Does not contain the vendor's message, which may quote the prompt. */
export interface Failure {
  readonly reason: AiError["reason"]
  readonly status: number | null
  readonly verdict: CallVerdict.CallVerdict
}

/** Carries a failure through an SDK, which rethrows it as it is or as the cause of another error. */
export class Refusal extends Data.TaggedError("AiRefusal")<{ readonly failure: Failure }> {
  override readonly message = "refused"
}

/** A response that cannot be decoded, or ends too early. */
export const unusable: Failure = {
  reason: "unavailable",
  status: null,
  verdict: CallVerdict.unusable,
}

/** The vendor blocked the prompt by its content policy. */
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

/** No connection, or a connection that closed before the response began. Retried, as the SDKs do by default. */
export const unreachable: Failure = {
  reason: "unavailable",
  status: null,
  verdict: { fault: "theirs", retry: "always" },
}

/** Classifies an error response. `retryAfter` is the value of the `Retry-After` header. */
export const fromResponse = (
  status: number,
  body: string,
  retryAfter: string | undefined,
): Failure => {
  const json = Schema.decodeOption(Json)(body)
  return classify(status, vendorErrorIn(Option.getOrNull(json)), retryAfter)
}

/** Classifies an error thrown by an SDK, which includes errors that the vendor sends in the middle of a stream. */
export const fromThrown = (thrown: unknown): Failure => {
  const refusal = refusalIn(thrown) ?? (thrown instanceof Error ? refusalIn(thrown.cause) : null)
  if (refusal !== null) return refusal.failure
  const sdkError = Schema.decodeUnknownOption(SdkError)(thrown)
  if (Option.isNone(sdkError)) return timedOut
  const { error, message, status } = sdkError.value
  // Google's SDK puts the JSON at the end of the message.
  const body = error ?? Option.getOrNull(Schema.decodeOption(Json)(jsonIn(message)))
  return classify(status ?? null, vendorErrorIn(body), undefined)
}

const refusalIn = (value: unknown) => (value instanceof Refusal ? value : null)

const jsonIn = (text: string) => text.slice(Math.max(0, text.indexOf("{")))

const Json = Schema.fromJsonString(Schema.Unknown)

const SdkError = Schema.Struct({
  message: Schema.String,
  status: Schema.optional(Schema.Finite),
  error: Schema.optional(Schema.Unknown),
})

/** An error body: OpenAI uses `code` and `type`, Anthropic `type`, Google `status`. */
const VendorError = Schema.Struct({
  code: Schema.optional(Schema.Unknown),
  type: Schema.optional(Schema.Unknown),
  status: Schema.optional(Schema.Unknown),
  message: Schema.optional(Schema.Unknown),
  details: Schema.optional(Schema.Unknown),
})
type VendorError = typeof VendorError.Type

const Wrapped = Schema.Struct({ error: VendorError })

const vendorErrorIn = (body: unknown): VendorError => {
  const first: unknown = Array.isArray(body) ? body[0] : body
  const wrapped = Schema.decodeUnknownOption(Wrapped)(first)
  if (Option.isSome(wrapped)) return wrapped.value.error
  return Option.getOrElse(Schema.decodeUnknownOption(VendorError)(first), () => ({}))
}

/** Matches no text. */
const noMessage = /^\b$/

type FailureKind = readonly [
  reason: AiError["reason"],
  statuses: ReadonlyArray<number>,
  codes: ReadonlyArray<string>,
  message: RegExp,
]

/**
 * The first match applies. An exhausted budget or an invalid key is our fault, whatever the status. Messages are
 * matched only where the vendor has no code. Codes: https://platform.openai.com/docs/guides/error-codes,
 * https://docs.claude.com/en/api/errors and https://ai.google.dev/gemini-api/docs/troubleshooting.
 */
const failureKinds: ReadonlyArray<FailureKind> = [
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
    noMessage,
  ],
  ["overloaded", [503, 529], ["overloaded_error", "UNAVAILABLE"], noMessage],
  ["invalid_request", [400, 404, 405, 409, 422], ["invalid_request_error"], noMessage],
]

const classify = (
  status: number | null,
  { code, details, message, status: statusName, type }: VendorError,
  retryAfter: string | undefined,
): Failure => {
  const text = typeof message === "string" ? message : ""
  // The body of a 5xx response is not reliable.
  const isTrusted = status === null || status < 500
  const [reason] = failureKinds.find(
    ([, statuses, codes, pattern]) =>
      statuses.some((one) => one === status) ||
      (isTrusted &&
        (codes.some((name) => name === code || name === type || name === statusName) ||
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
    // The vendor rejects these before doing any work.
    case "overloaded":
      return { ...CallVerdict.ofStatus(503, retryAfter), retry: "always" }
    case "unavailable":
      return status === null ? CallVerdict.unanswered : CallVerdict.ofStatus(status, retryAfter)
    default:
      return { fault: "ours", retry: "never" }
  }
}

const Delays = Schema.Array(Schema.Struct({ retryDelay: Schema.optional(Schema.String) }))

/** Returns the delay in whole seconds. Google sends it in the body, as `google.rpc.RetryInfo`, like `34.07s`. */
const delayIn = (details: unknown) => {
  const delays = Option.getOrElse(Schema.decodeUnknownOption(Delays)(details), () => [])
  const retryDelay = delays.find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay
  return retryDelay !== undefined && /^\d+(?:\.\d+)?s$/.test(retryDelay)
    ? String(Math.ceil(Number.parseFloat(retryDelay)))
    : undefined
}

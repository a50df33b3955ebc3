import { Effect, Schema, SchemaTransformation } from "effect"

/**
 * Limits and defaults of inputs. REST, RPC, CLI, the OpenAPI document and the help read them here. The maximum length
 * of a text that only one field uses is declared at that field.
 */

interface Range {
  readonly minimum: number
  readonly maximum: number
}

export interface DefaultedRange extends Range {
  readonly default: number
}

export const secondsPerDay = 86_400
const secondsPerYear = 365 * secondsPerDay

export const skip: DefaultedRange = { minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }
export const pageSize: DefaultedRange = { minimum: 1, maximum: 100, default: 20 }
/** The page size for operators and services, which are trusted with larger pages than clients of the REST API. */
export const trustedPageSize: DefaultedRange = { ...pageSize, maximum: 1000 }

/** The number of days of a usage report, including today. */
export const days: DefaultedRange = { minimum: 1, maximum: 365, default: 30 }
/** The number of days of a report with one value for each day. */
export const dailyDays: DefaultedRange = { ...days, maximum: 90 }
/** The number of users in a ranking. */
export const topUsers: DefaultedRange = { minimum: 1, maximum: 100, default: 10 }
/** The quantity of one recorded usage event. */
export const usageQuantity: Range = { minimum: 0, maximum: 1_000_000_000_000 }
/** The amount for which an entitlement is checked. */
export const entitledAmount: DefaultedRange = {
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  default: 1,
}

export const jobDelaySeconds: DefaultedRange = { minimum: 0, maximum: secondsPerYear, default: 0 }
export const jobPriority: DefaultedRange = { minimum: -1000, maximum: 1000, default: 0 }
/** The time between two counts of `jobs stats --watch`. */
export const watchSeconds: DefaultedRange = { minimum: 1, maximum: 3600, default: 2 }
/** The time that `smoke` waits for a service to start. */
export const smokeWaitSeconds: DefaultedRange = { minimum: 0, maximum: 3600, default: 30 }
/** The lifetime of a minted token. Tokens cannot be revoked, except all together with a new SECRET_KEY. */
export const tokenSeconds: DefaultedRange = {
  minimum: 1,
  maximum: secondsPerYear,
  default: secondsPerDay,
}
/** The lifetime of a link that resets a password. */
export const resetLinkMinutes: Range = { minimum: 1, maximum: 30 * 24 * 60 }

export const aiTemperature: DefaultedRange = { minimum: 0, maximum: 2, default: 0.7 }
export const aiMaxTokens: DefaultedRange = { minimum: 1, maximum: 128_000, default: 1024 }
export const aiMessages: Range = { minimum: 1, maximum: 1000 }

/** Maximum lengths of an e-mail address, in code points (RFC 5321 §4.5.3.1). */
const emailParts = { emailLocalPart: 64, emailDomain: 255 }

/** Maximum lengths of texts, in code points. */
export const maxLength = {
  ...emailParts,
  email: emailParts.emailLocalPart + 1 + emailParts.emailDomain,
  emailSubject: 150,
  userId: 255,
  fullName: 255,
  avatarUrl: 2048,
  jobName: 255,
  /** The key of a job, of which only one may wait or run. */
  uniqueKey: 255,
  idempotencyKey: 255,
  search: 255,
  usageSource: 200,
  usageDimension: 200,
}

/** A body of JSON. `values` are the members of lists and objects, and the outermost value. */
export const json = { maxDepth: 64, maxValues: 100_000 }
/** The time without a new byte after which a body is refused. A body that makes progress has no time limit. */
export const bodyIdleSeconds = 30

/** Formats a number for a text: `100,000`. */
export const formatNumber = (value: number) => value.toLocaleString("en-US")

/** An integer in JSON that may be omitted. */
export const integer = ({ default: fallback, maximum, minimum }: DefaultedRange) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(fallback)),
  )

/** An integer query parameter that may be omitted. The OpenAPI document shows `contentSchema` as its schema. */
export const integerText = (
  { default: fallback, maximum, minimum }: DefaultedRange,
  description: string,
) =>
  Schema.String.annotate({
    expected: "a string that will be decoded as a number",
    description,
    contentSchema: { type: "integer", minimum, maximum, default: fallback },
  }).pipe(
    Schema.decodeTo(Schema.Int, SchemaTransformation.numberFromString),
    Schema.check(Schema.isBetween({ minimum, maximum })),
    Schema.withDecodingDefaultKey(Effect.succeed(String(fallback))),
  )

import { Schema } from "effect"
import type { Timestamp } from "./Fields.ts"
import type { UserId } from "./User.ts"

/** What a metric measures. `level` is what there is (its limit is for all time); `flow` what happens in a month. */
export interface UsageMetricInfo {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly kind: "flow" | "level"
}

const flow = (name: string, unit: string, description: string): UsageMetricInfo => ({
  name,
  unit,
  description,
  kind: "flow",
})

const level = (name: string, unit: string, description: string): UsageMetricInfo => ({
  ...flow(name, unit, description),
  kind: "level",
})

/** Everything that is metered. A line here is all that a new metric needs to appear in every usage route. */
export const usageMetrics = {
  api_requests: flow("API requests", "requests", "Authenticated requests answered below 400."),
  ai_tokens: flow(
    "AI tokens",
    "tokens",
    "Tokens of prompts and completions, as providers bill them.",
  ),
  ai_requests: flow("AI requests", "requests", "Calls of an AI model that delivered something."),
  storage_bytes: level("Storage", "bytes", "Bytes of the files that are kept."),
  file_uploads: flow("File uploads", "files", "Files uploaded."),
  file_downloads: flow("File downloads", "files", "Files downloaded."),
  websocket_messages: flow("WebSocket messages", "messages", "Messages sent and received."),
  background_jobs: flow("Background jobs", "jobs", "Jobs about the user that completed."),
  email_sent: flow("E-mails", "e-mails", "E-mails sent to the user."),
} as const satisfies Readonly<Record<string, UsageMetricInfo>>

export type UsageMetric = keyof typeof usageMetrics

export const usageMetricKeys = Object.keys(usageMetrics) as ReadonlyArray<UsageMetric>

export const UsageMetric = Schema.Literals(usageMetricKeys)

/** The most that one call of `usage.record` may tell of. */
export const maxQuantity = 1_000_000_000_000

/**
 * A row of the ledger, which is never changed. `source` is unique: the same thing, told twice, counts once.
 * `quantity` is an integer, kept up to ±(2^53 − 1), where sums end too. `dimension` is what a breakdown is by (a model,
 * an endpoint, a kind of job), "" where there is none. `estimated`: nobody told us the quantity.
 */
export interface UsageEvent {
  readonly source: string
  readonly user_id: UserId
  readonly metric: UsageMetric
  readonly quantity: number
  readonly dimension: string
  readonly estimated: boolean
  readonly occurred_at: Timestamp
}

/** Of somebody whom a reservation knows. */
export type UsageEntry = Omit<UsageEvent, "user_id">

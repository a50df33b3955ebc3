import { Schema } from "effect"
import type { Timestamp } from "../Fields.ts"
import type { UserId } from "../users/User.ts"

/** A usage metric. A `flow` is summed per month; a `level` is a current amount, and so is its limit. */
interface UsageMetricInfo {
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

/** All usage metrics. A new metric needs only a line here to appear in every usage route. */
export const usageMetrics = {
  api_requests: flow(
    "API requests",
    "requests",
    "Authenticated requests with a response status below 400.",
  ),
  ai_tokens: flow(
    "AI tokens",
    "tokens",
    "Prompt and completion tokens, as billed by the providers.",
  ),
  ai_requests: flow("AI requests", "requests", "AI calls that returned an answer."),
  storage_bytes: level("Storage", "bytes", "Total size of stored files."),
  file_uploads: flow("File uploads", "files", "Files uploaded."),
  file_downloads: flow("File downloads", "files", "Files downloaded."),
  websocket_messages: flow("WebSocket messages", "messages", "Messages sent and received."),
  background_jobs: flow("Background jobs", "jobs", "Completed jobs about the user."),
  email_sent: flow("E-mails", "e-mails", "E-mails sent to the user."),
} as const satisfies Readonly<Record<string, UsageMetricInfo>>

export type UsageMetric = keyof typeof usageMetrics

export const usageMetricKeys = Object.keys(usageMetrics) as ReadonlyArray<UsageMetric>

export const UsageMetric = Schema.Literals(usageMetricKeys).annotate({
  description: "The key of a usage metric.",
})

/**
 * A row of the ledger. Rows never change. `source` is unique, so an event that is recorded twice counts once.
 * `quantity` is an integer; it and all sums saturate at ±(2^53 − 1). `dimension` is the key of a breakdown (a model, an
 * endpoint, a kind of job), or "". `estimated` marks a quantity that no provider reported.
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

/** An event whose user is known from a reservation. */
export type UsageEntry = Omit<UsageEvent, "user_id">

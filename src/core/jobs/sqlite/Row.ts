import { Effect } from "effect"
import { fromNow, now } from "../../../domain/Fields.ts"
import type { Job } from "../../../domain/jobs/Job.ts"
import { jsonText } from "../../sql/JsonText.ts"
import { type LeasedJob, payloadOf, type Settlement } from "../Store.ts"

/** Conversions between rows of the SQLite table `jobs` and `Job`, `LeasedJob`, `Settlement`. */

/** A row of `jobs`. */
export interface SqliteRow extends Omit<Job, "payload" | "state"> {
  readonly message: unknown
  /** The state including `delayed`, which is stored as `waiting` with a later `run_at`. */
  readonly display_state: Job["state"]
}

export const jobOf = ({ message, display_state, ...row }: SqliteRow): Job => ({
  id: row.id,
  name: row.name,
  state: display_state,
  payload: payloadOf(message),
  attempts: row.attempts,
  max_attempts: row.max_attempts,
  progress: row.progress,
  error: row.error,
  result: row.result,
  unique_key: row.unique_key,
  created_at: row.created_at,
  run_at: row.run_at,
  started_at: row.started_at,
  finished_at: row.finished_at,
})

export interface ClaimedRow extends LeasedJob {
  readonly priority: number
  readonly run_at: string
}

/** Sorts claimed rows by priority, then by time: RETURNING has no order. */
export const inClaimOrder = (a: ClaimedRow, b: ClaimedRow) =>
  b.priority - a.priority || (a.run_at + a.id < b.run_at + b.id ? -1 : 1)

/** Returns the columns that a settlement changes. */
export const settlementChange = Effect.fnUntraced(function* (settlement: Settlement) {
  const time = yield* now
  const end = { finished_at: time, leased_until: null, progress: null }
  switch (settlement.outcome) {
    case "completed":
      return {
        ...end,
        state: "completed",
        error: null,
        result: jsonText(settlement.result),
      }
    case "failed":
      return { ...end, state: "failed", error: settlement.error }
    case "retry":
      return {
        state: "waiting",
        error: settlement.error,
        run_at: yield* fromNow(settlement.delayMs),
        leased_until: null,
        progress: null,
      }
    case "handed_back":
      return {
        state: "waiting",
        attempts: settlement.claim.attempt - 1,
        started_at: null,
        leased_until: null,
      }
  }
})

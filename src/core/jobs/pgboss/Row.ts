import type { SqlClient, Statement } from "effect/sql"
import type { JobWithMetadata } from "pg-boss"
import type { Timestamp } from "../../../domain/Fields.ts"
import { type Job, JobId } from "../../../domain/jobs/Job.ts"
import { type LeasedJob, lostProcess, payloadOf, type Settlement } from "../Store.ts"
import { timeOf } from "../../Uuid.ts"

/** Conversions between pg-boss jobs and `Job`, `LeasedJob`, `Settlement`. */

/** The columns of `pgboss.job` that are read. */
export interface PgBossRow {
  readonly id: string
  readonly name: string
  readonly state: "created" | "retry" | "active" | "completed" | "failed" | "cancelled"
  readonly is_delayed: boolean
  readonly data: unknown
  readonly retry_count: number
  readonly retry_limit: number
  readonly output: Output | null
  readonly singleton_key: string | null
  readonly start_after: Timestamp
  readonly started_on: Timestamp | null
  readonly completed_on: Timestamp | null
}

/** Written by us, or by pg-boss (`value`) for an attempt whose process was lost. */
interface Output {
  readonly result?: unknown
  readonly error?: string
  readonly progress?: number
  readonly value?: { readonly message?: string }
}

export const stateOf = ({
  is_delayed,
  state,
}: Pick<PgBossRow, "is_delayed" | "state">): Job["state"] => {
  if (state !== "created" && state !== "retry") return state
  return is_delayed ? "delayed" : "waiting"
}

/** The SQL condition for rows with this `stateOf`. */
export const inState = (sql: SqlClient.SqlClient, state: Job["state"]): Statement.Fragment => {
  switch (state) {
    case "waiting":
      return sql`state IN ('created', 'retry') AND start_after <= pgboss.job_now()`
    case "delayed":
      return sql`state IN ('created', 'retry') AND start_after > pgboss.job_now()`
    default:
      return sql`state = ${sql.literal(`'${state}'`)}`
  }
}

const errorOf = (output: Output | null) => {
  const pgBossMessage = output?.value?.message
  return (
    output?.error ??
    (pgBossMessage === "job heartbeat timeout" ? lostProcess : pgBossMessage) ??
    null
  )
}

export const jobOf = (row: PgBossRow): Job => ({
  id: JobId.make(row.id),
  name: row.name,
  state: stateOf(row),
  payload: payloadOf(row.data),
  attempts: row.retry_count + (row.started_on === null ? 0 : 1),
  max_attempts: row.retry_limit + 1,
  progress: row.output?.progress ?? null,
  error: errorOf(row.output),
  result: row.output?.result ?? null,
  unique_key: row.singleton_key === row.id ? null : row.singleton_key,
  created_at: timeOf(row.id),
  run_at: row.start_after,
  started_at: row.started_on,
  finished_at: row.completed_on,
})

export const claimOf = (job: JobWithMetadata<unknown>): LeasedJob => ({
  id: JobId.make(job.id),
  name: job.name,
  attempt: job.retryCount + 1,
  max_attempts: job.retryLimit + 1,
  // `PostgresTypes` decodes it to text.
  started_at: String(job.startedOn),
  message: job.data,
})

/** Sorts claimed jobs by priority, then by id: the rows of an UPDATE have no order. */
export const inClaimOrder = (a: JobWithMetadata<unknown>, b: JobWithMetadata<unknown>) =>
  b.priority - a.priority || (a.id < b.id ? -1 : 1)

export const leaseOf = ({ attempt, id, name, started_at }: LeasedJob) => ({
  id,
  name,
  retry_count: attempt - 1,
  started_on: started_at,
})

export const settlementOf = (settlement: Settlement) => {
  const lease = leaseOf(settlement.claim)
  switch (settlement.outcome) {
    case "completed":
      return { ...lease, state: "completed", output: { result: settlement.result } }
    case "failed":
      return { ...lease, state: "failed", output: { error: settlement.error } }
    case "retry":
      return {
        ...lease,
        state: "retry",
        output: { error: settlement.error },
        delay_ms: settlement.delayMs,
      }
    case "handed_back":
      return { ...lease, state: "created" }
  }
}

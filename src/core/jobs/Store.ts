import { Context, type Duration, Effect, Schedule, type Scope } from "effect"
import type { ConflictError, ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Job, JobId, JobState } from "../../domain/jobs/Job.ts"

/** The span that enqueued a job. Its runs continue that trace. */
export interface JobTrace {
  readonly trace_id: string
  readonly span_id: string
  readonly sampled: boolean
}

/** The stored message of a job: its payload, and the request and trace that enqueued it. */
export interface JobMessage {
  readonly payload: unknown
  readonly request_id: string | null
  readonly trace: JobTrace | null
}

interface NewJob extends JobMessage {
  readonly id: JobId
  readonly name: string
  readonly max_attempts: number
  /** Among waiting jobs of one name, the highest runs first. */
  readonly priority: number
  readonly delayMs: number
  readonly unique_key: string | null
}

/**
 * One attempt, leased to this process. `attempt` counts from 1, and an attempt that was handed back is repeated under
 * the same number: only together with `started_at` does it identify a lease.
 */
export interface LeasedJob {
  readonly id: JobId
  readonly name: string
  readonly attempt: number
  readonly started_at: string
  readonly max_attempts: number
  /** A `JobMessage`, unless it was written by hand or by another version. */
  readonly message: unknown
}

/** The outcome of an attempt. */
export type Settlement = { readonly claim: LeasedJob } & (
  | { readonly outcome: "completed"; readonly result: unknown }
  /** The job has failed: there are no more attempts. */
  | { readonly outcome: "failed"; readonly error: string }
  /** The job runs again after `delayMs`. */
  | { readonly outcome: "retry"; readonly error: string; readonly delayMs: number }
  /** Handed back: the attempt is not counted. */
  | { readonly outcome: "handed_back" }
)

export interface JobsQuery {
  readonly state?: JobState
  readonly name?: string
  /** Only jobs with this `user_id` in their payload. */
  readonly user?: string
  /** Only jobs created before the job with this id. */
  readonly before?: string
  readonly limit: number
}

export interface JobCount {
  readonly state: JobState
  readonly count: number
}

/** Returns the payload that operators see. A malformed message is shown entirely. */
export const payloadOf = (message: unknown): unknown =>
  typeof message === "object" && message !== null && "payload" in message
    ? message.payload
    : message

/** The error of an attempt whose lease expired. */
export const lostProcess = "its process was lost"

/** The duration of a lease after it was taken or renewed. */
export const leaseMs = 10_000

/**
 * The storage of jobs below `JobQueue` and `JobRunner`, implemented for each database. Writes join the open
 * transaction. Only the holder of an attempt's lease can settle it: a settlement after the lease was lost has no
 * effect.
 */
export class JobStore extends Context.Service<
  JobStore,
  {
    /** Returns false, and inserts nothing, if a job of the same name with its unique key waits or runs. */
    readonly insert: (job: NewJob) => Effect.Effect<boolean, ServiceUnavailableError>
    readonly get: (id: string) => Effect.Effect<Job | undefined, ServiceUnavailableError>
    /** Returns the waiting or running job with this unique key. */
    readonly findByKey: (
      name: string,
      key: string,
    ) => Effect.Effect<JobId | undefined, ServiceUnavailableError>
    /** Newest first. */
    readonly list: (query: JobsQuery) => Effect.Effect<ReadonlyArray<Job>, ServiceUnavailableError>
    /** Counts of jobs by state. A state may occur several times: add them up. */
    readonly counts: Effect.Effect<ReadonlyArray<JobCount>, ServiceUnavailableError>
    /** Counts waiting and delayed jobs by name, omitting names without any. Cheap, however many jobs have ended. */
    readonly waiting: Effect.Effect<
      ReadonlyArray<{ readonly name: string; readonly count: number }>,
      ServiceUnavailableError
    >
    /**
     * Makes a failed or cancelled job wait again, with at least one more attempt. Returns undefined if it is in another
     * state; fails with `ConflictError` if another job holds its unique key.
     */
    readonly retry: (
      id: string,
    ) => Effect.Effect<Job | undefined, ConflictError | ServiceUnavailableError>
    /** Cancels a waiting or running job. Returns undefined if it has ended. */
    readonly cancel: (id: string) => Effect.Effect<Job | undefined, ServiceUnavailableError>
    /**
     * Replaces this user by `to` in the payloads of jobs in every state. Also in unique keys that equal the user's id,
     * unless another job holds the new key.
     */
    readonly relink: (user: string, to: string) => Effect.Effect<void, ServiceUnavailableError>

    /** Deletes the jobs whose payload names one of these users. A running attempt ends at its next lease renewal. */
    readonly forget: (users: ReadonlyArray<string>) => Effect.Effect<void, ServiceUnavailableError>

    /** Leases jobs that may start now, by priority, then first come, first served. */
    readonly claim: (
      name: string,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<LeasedJob>, ServiceUnavailableError>
    /** Ends attempts. Settlements whose lease is no longer held are ignored. */
    readonly settle: (
      settlements: ReadonlyArray<Settlement>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Renews leases. Returns the ids of the jobs whose leases were still held. */
    readonly renew: (
      claims: ReadonlyArray<LeasedJob>,
    ) => Effect.Effect<ReadonlySet<string>, ServiceUnavailableError>
    /** Stores the progress of a leased attempt, 0 to 100. */
    readonly progress: (
      claim: LeasedJob,
      percent: number,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /**
     * Returns `waitMs`, the time until the next job of each name may start, 0 if it may now. Omits names without waiting
     * jobs.
     */
    readonly due: (
      names: ReadonlyArray<string>,
    ) => Effect.Effect<
      ReadonlyArray<{ readonly name: string; readonly waitMs: number }>,
      ServiceUnavailableError
    >
    /**
     * Until the scope closes: calls `wake` with the name of each job as it is committed, retries or fails attempts
     * whose lease expired, and removes ended jobs after their retention.
     */
    readonly maintain: (wake: (name: string) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("plinth/core/jobs/Store/JobStore") {}

/** Runs the effect periodically until the scope closes, also after a failure or a defect. */
export const runEvery = (
  interval: Duration.Input,
  effect: Effect.Effect<unknown, ServiceUnavailableError>,
) =>
  Effect.ignore(effect).pipe(
    Effect.ignoreCause({ log: "Error", message: "job maintenance failed" }),
    Effect.repeat(Schedule.spaced(interval)),
    Effect.forkScoped,
  )

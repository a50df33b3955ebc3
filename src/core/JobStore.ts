import { Context, type Duration, Effect, Schedule, type Scope } from "effect"
import type { ConflictError, ServiceUnavailableError } from "../domain/Errors.ts"
import type { Job, JobId, JobState } from "../domain/Job.ts"

/** The span that enqueued a job: its runs continue that trace. */
export interface JobTrace {
  readonly trace_id: string
  readonly span_id: string
  readonly sampled: boolean
}

/** What travels with a job beside its name. */
export interface JobMessage {
  readonly payload: unknown
  readonly request_id: string | null
  readonly trace: JobTrace | null
}

export interface NewJob extends JobMessage {
  readonly id: JobId
  readonly name: string
  readonly max_attempts: number
  /** Of two that wait under one name, the higher goes first. */
  readonly priority: number
  /** ms */
  readonly delay: number
  readonly unique_key: string | null
}

/**
 * One attempt, leased to this process. `attempt` is 1 for the first, and again for the one after it was handed back:
 * only with `started_at` does it tell one lease from all others.
 */
export interface LeasedJob {
  readonly id: JobId
  readonly name: string
  readonly attempt: number
  readonly started_at: string
  readonly max_attempts: number
  /** A `JobMessage`, if it was written as one. */
  readonly message: unknown
}

/** How an attempt ended. */
export type Settlement = { readonly claim: LeasedJob } & (
  | { readonly outcome: "completed"; readonly result: unknown }
  /** There will be no other. */
  | { readonly outcome: "failed"; readonly error: string }
  /** Again after `delay` ms. */
  | { readonly outcome: "retry"; readonly error: string; readonly delay: number }
  /** Not begun, as far as the count goes. */
  | { readonly outcome: "handed_back" }
)

export interface JobsQuery {
  readonly state?: JobState
  readonly name?: string
  /** Only those whose payload names this user. */
  readonly user?: string
  /** Only those made before this one. */
  readonly before?: string
  readonly limit: number
}

export interface JobCount {
  readonly state: JobState
  readonly count: number
}

/** What operators see of a message, also of one that is none. */
export const payloadOf = (message: unknown): unknown =>
  typeof message === "object" && message !== null && "payload" in message
    ? message.payload
    : message

/** The error of an attempt whose lease ran out. */
export const lostProcess = "its process was lost"

/** A lease lasts so long after it was given or renewed, in ms. */
export const leaseMs = 10_000

/**
 * Where jobs are kept: what the databases do differently under `JobQueue` and `JobRunner`. What is written joins the
 * transaction that is open. Whoever holds an attempt's lease settles it; a settlement that comes too late does nothing.
 */
export class JobStore extends Context.Service<
  JobStore,
  {
    /** False when a job with its unique key waits or runs. */
    readonly insert: (job: NewJob) => Effect.Effect<boolean, ServiceUnavailableError>
    readonly get: (id: string) => Effect.Effect<Job | undefined, ServiceUnavailableError>
    /** The one that waits or runs. */
    readonly findByKey: (
      name: string,
      key: string,
    ) => Effect.Effect<JobId | undefined, ServiceUnavailableError>
    /** Newest first. */
    readonly list: (query: JobsQuery) => Effect.Effect<ReadonlyArray<Job>, ServiceUnavailableError>
    /** Of a state there may be several. */
    readonly counts: Effect.Effect<ReadonlyArray<JobCount>, ServiceUnavailableError>
    /** How many wait, now or for their time, by name, without the names of which none does: cheap, however many have ended. */
    readonly waiting: Effect.Effect<
      ReadonlyArray<{ readonly name: string; readonly count: number }>,
      ServiceUnavailableError
    >
    /** One more attempt at least. Undefined when it is neither failed nor cancelled; a conflict by its unique key. */
    readonly retry: (
      id: string,
    ) => Effect.Effect<Job | undefined, ConflictError | ServiceUnavailableError>
    /** Undefined when it has ended. */
    readonly cancel: (id: string) => Effect.Effect<Job | undefined, ServiceUnavailableError>
    /** Payloads that name this user name the other one, in whatever state their jobs are. */
    readonly relink: (user: string, to: string) => Effect.Effect<void, ServiceUnavailableError>

    /** Jobs whose payloads name one of these users are gone; a run that is under way ends when its lease is renewed. */
    readonly forget: (users: ReadonlyArray<string>) => Effect.Effect<void, ServiceUnavailableError>

    /** Leases what may start now: by priority, then first come, first served. */
    readonly claim: (
      name: string,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<LeasedJob>, ServiceUnavailableError>
    readonly settle: (
      settlements: ReadonlyArray<Settlement>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Renews leases, and returns the ids of those that were still held. */
    readonly renew: (
      claims: ReadonlyArray<LeasedJob>,
    ) => Effect.Effect<ReadonlySet<string>, ServiceUnavailableError>
    readonly progress: (
      claim: LeasedJob,
      percent: number,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** How long until the next job of each name may start, in ms; 0 when it may now. Without the names of which none waits. */
    readonly due: (
      names: ReadonlyArray<string>,
    ) => Effect.Effect<
      ReadonlyArray<{ readonly name: string; readonly wait: number }>,
      ServiceUnavailableError
    >
    /**
     * Until the scope closes: tells the names of jobs that were just committed, fails attempts whose lease ran out,
     * and removes what ended long ago.
     */
    readonly maintain: (wake: (name: string) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("plinth/core/JobStore") {}

/** Again and again until the scope closes, also after a defect: nobody else would begin it again. */
export const runPeriodically = (
  interval: Duration.Input,
  effect: Effect.Effect<unknown, ServiceUnavailableError>,
) =>
  Effect.ignore(effect).pipe(
    Effect.ignoreCause({ log: "Error", message: "jobs are not looked after" }),
    Effect.repeat(Schedule.spaced(interval)),
    Effect.forkScoped,
  )

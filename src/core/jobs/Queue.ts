import { scrubbed } from "../telemetry/Logger.ts"
import { Context, Cron, DateTime, Duration, Effect, Layer, Schema, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import {
  ConflictError,
  NotFoundError,
  type ReadError,
  type ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { type Job, JobId, type JobStats, type JobType, policyOf } from "../../domain/jobs/Job.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { anyJson, jsonIssue } from "../../domain/Storable.ts"
import { JobSchedules } from "./Schedules.ts"
import { type JobCount, type JobsQuery, JobStore, type JobTrace } from "./Store.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { PubSub } from "../shared/PubSub.ts"
import { uuidV7 } from "../Uuid.ts"

export interface EnqueueOptions {
  readonly delay?: Duration.Input
  /** Among waiting jobs of one name, the highest priority runs first. Default 0. */
  readonly priority?: number
  /** At most one job of the same name with this key waits or runs at any time. */
  readonly uniqueKey?: string
}

export interface Enqueued {
  readonly id: JobId
  /** False if a job with this unique key already existed; `id` is then its id. */
  readonly created: boolean
}

/** The channel for ids of cancelled jobs. The process that runs one interrupts it. */
export const cancellationChannel = "jobs.cancelled"

/**
 * Background jobs, run by any process with free capacity. They are stored in the same database as the data: a job
 * exists if and only if the transaction that enqueued it has committed.
 */
export class JobQueue extends Context.Service<
  JobQueue,
  {
    /** Enqueues a job within the open transaction, as a single statement; without one, in its own. */
    readonly enqueue: <Payload>(
      type: JobType<Payload>,
      payload: Payload,
      options?: EnqueueOptions,
    ) => Effect.Effect<Enqueued, ServiceUnavailableError>
    readonly get: (id: string) => Effect.Effect<Job, ReadError>
    /** Newest first. */
    readonly list: (query: JobsQuery) => Effect.Effect<ReadonlyArray<Job>, ServiceUnavailableError>
    readonly stats: Effect.Effect<JobStats, ServiceUnavailableError>
    /** Runs a failed or cancelled job again, under the same id. `ConflictError` in any other state. */
    readonly retry: (id: string) => Effect.Effect<Job, ConflictError | ReadError>
    /** Cancels a job that has not ended; `ConflictError` if it has. A running job is interrupted within seconds. */
    readonly cancel: (id: string) => Effect.Effect<Job, ConflictError | ReadError>
    /** Changes the user of all jobs whose payload has `user_id` = `user`. */
    readonly relink: (user: string, to: string) => Effect.Effect<void, ServiceUnavailableError>
    /** Deletes the jobs of these users (`user_id` in the payload) in every state, within the open transaction. */
    readonly forget: (users: ReadonlyArray<string>) => Effect.Effect<void, ServiceUnavailableError>
    /**
     * Enqueues a job at each tick of a cron expression (UTC), once across all processes. If ticks passed while no
     * process ran, enqueues a single job for them. `name` identifies the schedule: a new expression replaces the old
     * one.
     */
    readonly schedule: <Payload>(
      name: string,
      cron: string,
      type: JobType<Payload>,
      payload: Payload,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/core/jobs/Queue/JobQueue") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* JobStore
      const schedules = yield* JobSchedules
      const metrics = yield* Metrics
      const { publish } = yield* PubSub

      const enqueue: JobQueue["Service"]["enqueue"] = Effect.fnUntraced(function* (
        type,
        payload,
        options = {},
      ) {
        const { delay = 0, priority = 0, uniqueKey } = options
        const name = type.identifier
        const id = JobId.make(uuidV7())
        const { request_id } = yield* RequestInfo
        const job = {
          id,
          name,
          payload: yield* encode(type, payload),
          request_id,
          trace: yield* currentTrace,
          max_attempts: policyOf(type).attempts,
          priority,
          delayMs: Duration.toMillis(Duration.fromInputUnsafe(delay)),
          unique_key: uniqueKey ?? null,
        }
        while (true) {
          if (yield* store.insert(job)) {
            yield* sql.afterCommit(Effect.sync(() => metrics.job(name, "enqueued")))
            return { id, created: true }
          }
          const existing =
            uniqueKey === undefined ? undefined : yield* store.findByKey(name, uniqueKey)
          // The other job may have ended meanwhile: then insert again.
          if (existing !== undefined) return { id: existing, created: false }
        }
      })

      const get = Effect.fnUntraced(function* (id: string) {
        const job = yield* store.get(id)
        return job ?? (yield* new NotFoundError({ resource: "Job", id }))
      })

      /** Distinguishes a job in the wrong state (`ConflictError`) from a missing one (`NotFoundError`). */
      const change = Effect.fnUntraced(function* <E>(
        id: string,
        changed: Effect.Effect<Job | undefined, E>,
        reason: ConflictError["reason"],
      ) {
        const job = yield* changed
        if (job !== undefined) return job
        yield* get(id)
        return yield* new ConflictError({ resource: "Job", reason })
      })

      return JobQueue.of({
        enqueue,
        get,
        list: store.list,
        stats: Effect.map(store.counts, statsOf),
        retry: (id) =>
          change(
            id,
            Effect.catchTag(store.retry(id), "ConflictError", toDuplicateKey),
            "not_failed",
          ),
        cancel: (id) =>
          Effect.tap(change(id, store.cancel(id), "ended"), () =>
            sql.afterCommit(publish(cancellationChannel, id)),
          ),
        relink: store.relink,
        forget: store.forget,
        schedule: (name, cron, type, payload) =>
          schedules.set(name, Cron.parseUnsafe(cron, utc), enqueue(type, payload)),
      })
    }),
  )
}

/** A zone by offset: a named zone would load the tables of all zones, 4 MiB per process. */
const utc = DateTime.zoneMakeOffset(0)

/** Dies on a payload that PostgreSQL cannot store, on SQLite too, which would accept it. */
const encode = <Payload>(type: JobType<Payload>, payload: Payload) =>
  Effect.flatMap(Effect.orDie(Schema.encodeEffect(type)(type.make(payload))), (encoded) => {
    const issue = jsonIssue(encoded, anyJson)
    return issue === undefined
      ? Effect.succeed(encoded)
      : Effect.die(new Error(`The payload of a job ${type.identifier} ${issue}`))
  })

/** Returns the current span, if there is one. */
const currentTrace = Effect.map(Effect.serviceOption(Tracer.ParentSpan), (span): JobTrace | null =>
  span._tag === "None"
    ? null
    : {
        trace_id: span.value.traceId,
        span_id: span.value.spanId,
        sampled: span.value.sampled,
      },
)

/** Another job holds the unique key. */
const toDuplicateKey = () =>
  Effect.fail(new ConflictError({ resource: "Job", reason: "duplicate", field: "unique_key" }))

const statsOf = (counts: ReadonlyArray<JobCount>): JobStats => {
  const stats = { waiting: 0, delayed: 0, active: 0, completed: 0, failed: 0, cancelled: 0 }
  for (const { state, count } of counts) stats[state] += count
  return stats
}

/** Replaces secrets in the payload and the result of a job by placeholders. */
export const withoutSecrets = (job: Job): Job => ({
  ...job,
  payload: scrubbed("payload", job.payload),
  result: scrubbed("result", job.result),
})

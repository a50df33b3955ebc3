import { Context, Cron, DateTime, Duration, Effect, Layer, Schema, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import {
  ConflictError,
  NotFoundError,
  type ReadError,
  type ServiceUnavailableError,
} from "../domain/Errors.ts"
import { type Job, JobId, type JobStats, type JobType, policyOf } from "../domain/Job.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { anyJson, jsonIssue } from "../domain/Storable.ts"
import { JobSchedules } from "./JobSchedules.ts"
import { type JobCount, type JobsQuery, JobStore, type JobTrace } from "./JobStore.ts"
import { Metrics } from "./Metrics.ts"
import { PubSub } from "./PubSub.ts"
import { uuidV7 } from "./Uuid.ts"

export interface EnqueueOptions {
  readonly delay?: Duration.Input
  /** Of two that wait under one name, the higher goes first. 0 unless told otherwise. */
  readonly priority?: number
  /** At most one job of its name with this key waits or runs. */
  readonly uniqueKey?: string
}

export interface Enqueued {
  readonly id: JobId
  /** False when it was there already, under its unique key. */
  readonly created: boolean
}

/** The channel of ids of jobs that were cancelled: whoever runs one stops at once. */
export const cancellationChannel = "jobs.cancelled"

/** Work for later, in whichever process has time: kept with the data, so it exists if and only if its transaction committed. */
export class JobQueue extends Context.Service<
  JobQueue,
  {
    /** In the transaction that is open, as one statement of it; else in one of its own. */
    readonly enqueue: <Payload>(
      type: JobType<Payload>,
      payload: Payload,
      options?: EnqueueOptions,
    ) => Effect.Effect<Enqueued, ServiceUnavailableError>
    readonly get: (id: string) => Effect.Effect<Job, ReadError>
    /** Newest first. */
    readonly list: (query: JobsQuery) => Effect.Effect<ReadonlyArray<Job>, ServiceUnavailableError>
    readonly stats: Effect.Effect<JobStats, ServiceUnavailableError>
    /** One that failed or was cancelled, again, under the same id. Another state is a conflict. */
    readonly retry: (id: string) => Effect.Effect<Job, ConflictError | ReadError>
    /** One that has not ended; where it runs, it is interrupted within seconds. */
    readonly cancel: (id: string) => Effect.Effect<Job, ConflictError | ReadError>
    /** Jobs that are about this user (`user_id` of their payload) are about the other one from now on. */
    readonly relink: (user: string, to: string) => Effect.Effect<void, ServiceUnavailableError>
    /** Jobs that are about these users are gone, whatever their state. In the transaction that is open. */
    readonly forget: (users: ReadonlyArray<string>) => Effect.Effect<void, ServiceUnavailableError>
    /**
     * Enqueued at each tick of a cron expression (UTC), once over all processes. Of ticks that nobody was there for, the
     * last one is made up for. The name of a schedule is its own; a new expression takes the place of the old one.
     */
    readonly schedule: <Payload>(
      name: string,
      cron: string,
      type: JobType<Payload>,
      payload: Payload,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/core/JobQueue") {
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
          delay: Duration.toMillis(Duration.fromInputUnsafe(delay)),
          unique_key: uniqueKey ?? null,
        }
        while (true) {
          if (yield* store.insert(job)) {
            yield* sql.afterCommit(Effect.sync(() => metrics.job(name, "enqueued")))
            return { id, created: true }
          }
          const existing =
            uniqueKey === undefined ? undefined : yield* store.findByKey(name, uniqueKey)
          // It may have ended in between.
          if (existing !== undefined) return { id: existing, created: false }
        }
      })

      const get = Effect.fnUntraced(function* (id: string) {
        const job = yield* store.get(id)
        return job ?? (yield* new NotFoundError({ resource: "Job", id }))
      })

      /** What cannot be done to a job in its state is told from a job that is not there. */
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
          change(id, Effect.catchTag(store.retry(id), "ConflictError", isThere), "not_failed"),
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

/** By its offset: a zone by name would load the tables of all zones, 4 MiB of every process. */
const utc = DateTime.zoneMakeOffset(0)

/** Dies of a payload that cannot be stored, on both databases: PostgreSQL would refuse it, SQLite would not. */
const encode = <Payload>(type: JobType<Payload>, payload: Payload) =>
  Effect.flatMap(Effect.orDie(Schema.encodeEffect(type)(type.make(payload))), (encoded) => {
    const issue = jsonIssue(encoded, anyJson)
    return issue === undefined
      ? Effect.succeed(encoded)
      : Effect.die(new Error(`The payload of a job ${type.identifier} ${issue}`))
  })

/** Of the span that enqueues, if there is one. */
const currentTrace = Effect.map(Effect.serviceOption(Tracer.ParentSpan), (span): JobTrace | null =>
  span._tag === "None"
    ? null
    : {
        trace_id: span.value.traceId,
        span_id: span.value.spanId,
        sampled: span.value.sampled,
      },
)

/** Another one, under its unique key. */
const isThere = () =>
  Effect.fail(new ConflictError({ resource: "Job", reason: "duplicate", field: "unique_key" }))

const statsOf = (counts: ReadonlyArray<JobCount>): JobStats => {
  const stats = { waiting: 0, delayed: 0, active: 0, completed: 0, failed: 0, cancelled: 0 }
  for (const { state, count } of counts) stats[state] += count
  return stats
}

import { Context, Effect, Layer, Schema } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { type EnqueueOptions, JobQueue, withoutSecrets } from "../../core/jobs/Queue.ts"
import { isUuid } from "../../core/Uuid.ts"
import type {
  ConflictError,
  ReadError,
  ServiceUnavailableError,
  ValidationError,
} from "../../domain/Errors.ts"
import { Issues } from "../../domain/Issues.ts"
import type { Job, JobState, JobStats } from "../../domain/jobs/Job.ts"
import { JobTypes } from "../../domain/jobs/JobKinds.ts"
import { type CursorPage, type Position, toCursor } from "../../domain/Page.ts"
import { anyJson, jsonIssue } from "../../domain/Storable.ts"
import { type Actor, Audit } from "../audit/Audit.ts"

interface JobsFilter {
  readonly state?: JobState
  readonly name?: string
  /** The position to continue after. Only its id is used: ids are UUIDv7, which sort by time. */
  readonly cursor?: Position
  readonly limit: number
}

/** Lets operators inspect and control jobs. Redacts fields of payloads and results that are named like secrets. */
export class Jobs extends Context.Service<
  Jobs,
  {
    /** Returns jobs, newest first. */
    readonly list: (filter: JobsFilter) => Effect.Effect<CursorPage<Job>, ServiceUnavailableError>
    readonly get: (id: string) => Effect.Effect<Job, ReadError>
    readonly stats: Effect.Effect<JobStats, ServiceUnavailableError>
    /** Retries a failed or cancelled job under the same id. */
    readonly retry: (actor: Actor, id: string) => Effect.Effect<Job, ConflictError | ReadError>
    /** Cancels a job that has not ended. A running one is interrupted within seconds. */
    readonly cancel: (actor: Actor, id: string) => Effect.Effect<Job, ConflictError | ReadError>
    /**
     * Enqueues a job by the name of its kind, with a JSON payload. `created` is false when a job with the same unique
     * key waits or runs.
     */
    readonly enqueue: (
      actor: Actor,
      name: string,
      payload: unknown,
      options?: EnqueueOptions,
    ) => Effect.Effect<
      { readonly job: Job; readonly created: boolean },
      ValidationError | ServiceUnavailableError
    >
  }
>()("plinth/business/operations/Jobs") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const queue = yield* JobQueue
      const audit = yield* Audit
      const { transaction } = yield* Database
      const kinds = new Map(
        (yield* JobTypes).map((type) => [
          type.identifier,
          { type, decode: Schema.decodeUnknownEffect(type) },
        ]),
      )

      const list = Effect.fn("Jobs.list")(function* ({ cursor, limit, ...filter }: JobsFilter) {
        const before = cursor?.id || undefined
        // The cursor belongs to another list, so no job follows it.
        if (before !== undefined && !isUuid(before)) return { items: [], next_cursor: null, limit }
        const found = yield* queue.list({
          ...filter,
          ...(before !== undefined && { before }),
          limit: limit + 1,
        })
        const items = found.slice(0, limit)
        const last = items.at(-1)
        const next_cursor = found.length > limit && last !== undefined ? toCursor(last) : null
        return { items: items.map(withoutSecrets), next_cursor, limit }
      })

      const record = (actor: Actor, change: Change, { id, name, unique_key }: Job) =>
        audit.record(actor, {
          action: `job.${change}`,
          description: descriptions[change],
          resource_type: "Job",
          resource_id: id,
          details: { name, ...(unique_key !== null && { unique_key }) },
        })

      const retry = Effect.fn("Jobs.retry")(function* (actor: Actor, id: string) {
        const job = yield* queue.retry(id)
        yield* record(actor, "retried", job)
        return withoutSecrets(job)
      }, transaction)

      const cancel = Effect.fn("Jobs.cancel")(function* (actor: Actor, id: string) {
        const job = yield* queue.cancel(id)
        yield* record(actor, "cancelled", job)
        return withoutSecrets(job)
      }, transaction)

      const enqueue = Effect.fn("Jobs.enqueue")(function* (
        actor: Actor,
        name: string,
        payload: unknown,
        options?: EnqueueOptions,
      ) {
        const kind = kinds.get(name)
        if (kind === undefined) {
          const names = [...kinds.keys()].join(", ")
          return yield* new Issues().add(["name"], `must be one of ${names}`).error
        }
        const decoded = yield* decodeObject(payload).pipe(
          Effect.flatMap((json) => kind.decode(json, { errors: "all" })),
          Effect.mapError(({ issue }) => Issues.of(issue, "payload").error),
        )
        const storageIssues = storageIssuesIn(decoded)
        if (storageIssues.reported.length > 0) return yield* storageIssues.error

        const { created, id } = yield* queue.enqueue(kind.type, decoded, options)
        const job = yield* Effect.catchTag(queue.get(id), "NotFoundError", Effect.die)
        if (created) yield* record(actor, "enqueued", job)
        return { job: withoutSecrets(job), created }
      }, transaction)

      return Jobs.of({
        list,
        get: (id) => Effect.map(queue.get(id), withoutSecrets),
        stats: queue.stats,
        retry,
        cancel,
        enqueue,
      })
    }),
  )
}

type Change = "enqueued" | "retried" | "cancelled"

const descriptions: Record<Change, string> = {
  enqueued: "Enqueued manually",
  retried: "Set to run again",
  cancelled: "Cancelled",
}

/** Requires an object, because the schema of a kind without fields accepts any value. */
const decodeObject = Schema.decodeUnknownEffect(Schema.JsonObject)

/** The issues, by field, of values that JSON cannot represent or PostgreSQL cannot store in JSON. */
const storageIssuesIn = (payload: unknown) => {
  const issues = new Issues()
  for (const [field, value] of Object.entries(Object(payload))) {
    const message = jsonIssue(value, anyJson)
    if (message !== undefined) issues.add(["payload", field], message)
  }
  return issues
}

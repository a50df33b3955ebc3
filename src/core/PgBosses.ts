import { createHash } from "node:crypto"
import { Context, Data, Duration, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { type ConstructorOptions, type Db, PgBoss, type QueueResult } from "pg-boss"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { type JobType, JobTypes, policyOf } from "../domain/Job.ts"
import { Database } from "./Database.ts"
import { leaseMs } from "./JobStore.ts"
import { Settings } from "./Settings.ts"

/** The tables of pg-boss cannot be made or brought up to date. */
export class JobsUnavailable extends Data.TaggedError("JobsUnavailable")<{
  readonly cause: unknown
}> {
  override get message() {
    return "DATABASE_URL: the tables of the jobs (schema pgboss) cannot be made or brought up to date"
  }
}

/** Of a statement that is wrong, or of pg-boss itself. */
class UnexpectedFailure extends Data.TaggedError("UnexpectedFailure")<{
  readonly cause: unknown
}> {}

/** The pg-boss of this process. */
export class PgBosses extends Context.Service<
  PgBosses,
  {
    /** A call whose statements run on the connection of this fiber: in its transaction, if there is one. */
    readonly call: <A>(
      f: (boss: PgBoss, db: Db) => Promise<A>,
    ) => Effect.Effect<A, ServiceUnavailableError>
    /** Until the scope closes: supervises, and listens for names of jobs that were committed. */
    readonly maintain: (wake: (name: string) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("plinth/core/PgBosses") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database
      const { database } = yield* Settings
      const types = yield* JobTypes
      const context = yield* Effect.context<never>()
      const url = database.dialect === "pg" ? Redacted.value(database.url) : ""

      const databaseOf = (caller: Context.Context<never>): Db => ({
        executeSql: (text, values) =>
          Effect.runPromiseWith(caller)(
            Effect.map(sql.unsafe(text, values?.map(parameterOf)).raw, resultOf),
          ),
      })

      const report = (what: string) => (cause: unknown) => {
        Effect.runForkWith(context)(
          Effect.logWarning(`pg-boss: ${what}`).pipe(
            Effect.annotateLogs({ cause: messageOf(cause) }),
          ),
        )
      }
      const startBoss = (options: ConstructorOptions) =>
        Effect.acquireRelease(
          Effect.tryPromise({
            try: () => {
              const boss = new PgBoss({ ...commonOptions, ...options })
              // Unheard, these end the process.
              boss.on("error", report("error"))
              boss.on("warning", ({ message }) => report("warning")(message))
              return boss.start()
            },
            catch: (cause) => new JobsUnavailable({ cause }),
          }),
          (boss) => Effect.promise(() => boss.stop({ graceful: false }).catch(() => undefined)),
        )
      const connection = {
        connectionString: url,
        max: 2,
        application_name: "plinth-jobs",
        connectionTimeoutMillis: 5000,
      }

      const onAppPool = startBoss({ db: databaseOf(context) })

      /** Refuses where there are no tables, or old ones. */
      const useExisting = Effect.gen(function* () {
        const boss = yield* onAppPool
        const queues = yield* Effect.tryPromise({
          try: () => boss.getQueues(),
          catch: (cause) => new JobsUnavailable({ cause }),
        })
        const outdated = types.find((type) => !isUpToDate(queues, type))
        if (outdated === undefined) return boss
        return yield* new JobsUnavailable({ cause: outdated.identifier })
      })

      /** pg-boss makes its tables by several statements at once, which only its own driver sends. */
      const prepare = Effect.gen(function* () {
        const boss = yield* startBoss({ ...connection, migrate: true, createSchema: true })
        yield* Effect.forEach(types, (type) => {
          const { policy, ...options } = queueOf(type)
          const name = type.identifier
          return Effect.tryPromise({
            try: () =>
              boss
                .createQueue(name, { policy, ...options })
                .then(() => boss.updateQueue(name, options)),
            catch: (cause) => new JobsUnavailable({ cause }),
          })
        })
      }).pipe(Effect.scoped)

      const boss = yield* Effect.catch(useExisting, () => Effect.andThen(prepare, onAppPool))

      const call = <A>(f: (boss: PgBoss, db: Db) => Promise<A>) =>
        Effect.flatMap(Effect.context<never>(), (caller) =>
          Effect.tryPromise({
            try: () => f(boss, databaseOf(caller)),
            catch: (cause) =>
              SqlError.isSqlError(cause) ? cause : new UnexpectedFailure({ cause }),
          }).pipe(Effect.catchTag("UnexpectedFailure", Effect.die), query),
        )

      const attend = Effect.fnUntraced(function* (wake: (name: string) => void) {
        yield* startBoss({ ...connection, supervise: true }).pipe(
          Effect.flatMap((listener) => listen(listener, wake)),
          Effect.andThen(Effect.never),
          Effect.scoped,
          Effect.tapError((error) => Effect.sync(() => report("cannot listen")(error.cause))),
          Effect.retry(Schedule.spaced("5 seconds")),
          Effect.forkScoped,
        )
      })

      return PgBosses.of({ call, maintain: attend })
    }),
  )
}

const listen = (listener: PgBoss, wake: (name: string) => void) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => Promise.resolve(listener.getDb().listen?.(channel, wake, () => undefined)),
      catch: (cause) => new JobsUnavailable({ cause }),
    }),
    (handle) => Effect.promise(() => Promise.resolve(handle?.close().catch(() => undefined))),
  )

/** What every one of them is told: schedules, traces and registries are ours, and of long queues the metrics tell. */
const commonOptions = {
  migrate: false,
  createSchema: false,
  supervise: false,
  schedule: false,
  registerInstance: false,
  openTelemetry: { enabled: false },
  queueCacheIntervalSeconds: 15,
  // Else a line every other second of each process.
  warningQueueSize: Number.MAX_SAFE_INTEGER,
} satisfies ConstructorOptions

/** The channel of pg-boss in the schema `pgboss`. */
const channel = `pgboss_${createHash("sha224").update("pgboss").digest("hex").slice(0, 24)}`

const secondsOf = (duration: Duration.Input) =>
  Math.max(1, Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(duration))))

/**
 * Retries here are those of attempts that pg-boss itself ends: of processes that hang and still renew their leases, by
 * `expireInSeconds`. Of all others, we say when.
 */
const queueOf = (type: JobType) => {
  const { attempts, retention, timeout } = policyOf(type)
  return {
    policy: "exclusive" as const,
    retryLimit: attempts - 1,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 4,
    expireInSeconds: secondsOf(timeout) + 30,
    heartbeatSeconds: leaseMs / 1000,
    deleteAfterSeconds: secondsOf(retention),
    retentionSeconds: secondsOf("3650 days"),
    notify: true,
  }
}

const isUpToDate = (queues: ReadonlyArray<QueueResult>, type: JobType) => {
  const queue = queues.find(({ name }) => name === type.identifier)
  const wanted = Object.entries(queueOf(type))
  const found = new Map(Object.entries(queue ?? {}))
  return wanted.every(([name, value]) => found.get(name) === value)
}

/** Of an error, also of one that pg-boss has copied into an object. */
const messageOf = (cause: unknown) =>
  typeof cause === "object" && cause !== null && "message" in cause
    ? String(cause.message)
    : String(cause)

/** @effect/sql-pg takes objects as JSON text alone. */
const parameterOf = (value: unknown) =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
    ? JSON.stringify(value)
    : value

/** pg-boss reads `rows`, as node-postgres gives them. */
const resultOf = (result: unknown) => result as { rows: Array<unknown> }

import { createHash } from "node:crypto"
import { Context, Data, Duration, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { type ConstructorOptions, type Db, PgBoss, type QueueResult } from "pg-boss"
import type { ServiceUnavailableError } from "../../../domain/Errors.ts"
import { type JobType, policyOf } from "../../../domain/jobs/Job.ts"
import { JobTypes } from "../../../domain/jobs/JobKinds.ts"
import { Database } from "../../sql/Database.ts"
import { leaseMs } from "../Store.ts"
import { Settings } from "../../settings/Settings.ts"

/** The tables of pg-boss could not be created or updated. */
class JobsUnavailable extends Data.TaggedError("JobsUnavailable")<{
  readonly cause: unknown
}> {
  override get message() {
    return "DATABASE_URL: the job tables (schema pgboss) cannot be created or updated"
  }
}

/** A bug: a wrong statement, or a failure of pg-boss itself. */
class UnexpectedFailure extends Data.TaggedError("UnexpectedFailure")<{
  readonly cause: unknown
}> {}

/** The pg-boss instance of this process. */
export class PgBosses extends Context.Service<
  PgBosses,
  {
    /** Calls pg-boss with a `db` that runs on this fiber's connection, so within its open transaction. */
    readonly call: <A>(
      f: (boss: PgBoss, db: Db) => Promise<A>,
    ) => Effect.Effect<A, ServiceUnavailableError>
    /** Supervises the queues until the scope closes, and calls `wake` with the name of each job as it is committed. */
    readonly maintain: (wake: (name: string) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("plinth/core/jobs/pgboss/Bosses/PgBosses") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database
      const { database } = yield* Settings
      const types = yield* JobTypes
      const context = yield* Effect.context<never>()
      const url = database.dialect === "pg" ? Redacted.value(database.url) : ""

      const databaseOf = (callerContext: Context.Context<never>): Db => ({
        executeSql: (text, values) =>
          Effect.runPromiseWith(callerContext)(
            Effect.map(sql.unsafe(text, values?.map(parameterOf)).raw, resultOf),
          ),
      })

      const report = (message: string) => (cause: unknown) => {
        Effect.runForkWith(context)(
          Effect.logWarning(message).pipe(Effect.annotateLogs({ cause: messageOf(cause) })),
        )
      }
      const startBoss = (options: ConstructorOptions) =>
        Effect.acquireRelease(
          Effect.tryPromise({
            try: () => {
              const boss = new PgBoss({ ...commonOptions, ...options })
              // Without a listener, an error event ends the process.
              boss.on("error", report("pg-boss error"))
              boss.on("warning", ({ message }) => report("pg-boss warning")(message))
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

      /** Fails if the tables are missing or outdated. */
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

      /** pg-boss creates its tables by multi-statement queries, which only its own driver supports. */
      const createTables = Effect.gen(function* () {
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

      const boss = yield* Effect.catch(useExisting, () => Effect.andThen(createTables, onAppPool))

      const call = <A>(f: (boss: PgBoss, db: Db) => Promise<A>) =>
        Effect.flatMap(Effect.context<never>(), (callerContext) =>
          Effect.tryPromise({
            try: () => f(boss, databaseOf(callerContext)),
            catch: (cause) =>
              SqlError.isSqlError(cause) ? cause : new UnexpectedFailure({ cause }),
          }).pipe(Effect.catchTag("UnexpectedFailure", Effect.die), query),
        )

      const maintain = Effect.fnUntraced(function* (wake: (name: string) => void) {
        yield* startBoss({ ...connection, supervise: true }).pipe(
          Effect.flatMap((listener) => listen(listener, wake)),
          Effect.andThen(Effect.never),
          Effect.scoped,
          Effect.tapError((error) =>
            Effect.sync(() => report("pg-boss cannot listen for jobs")(error.cause)),
          ),
          Effect.retry(Schedule.spaced("5 seconds")),
          Effect.forkScoped,
        )
      })

      return PgBosses.of({ call, maintain })
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

/** Options of every instance. Plinth has its own schedules and traces, and reports long queues as metrics. */
const commonOptions = {
  migrate: false,
  createSchema: false,
  supervise: false,
  schedule: false,
  registerInstance: false,
  openTelemetry: { enabled: false },
  queueCacheIntervalSeconds: 15,
  // Otherwise each process logs a warning every other second.
  warningQueueSize: Number.MAX_SAFE_INTEGER,
} satisfies ConstructorOptions

/** The NOTIFY channel of pg-boss for the schema `pgboss`. */
const channel = `pgboss_${createHash("sha224").update("pgboss").digest("hex").slice(0, 24)}`

const secondsOf = (duration: Duration.Input) =>
  Math.max(1, Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(duration))))

/**
 * The queue of a job type. Its retry options apply only to attempts that pg-boss itself ends by `expireInSeconds`:
 * those of processes that hang but still renew their leases. `JobExecution` delays all other retries.
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

/** Returns the message of an error, or of an error that pg-boss has copied into an object. */
const messageOf = (cause: unknown) =>
  typeof cause === "object" && cause !== null && "message" in cause
    ? String(cause.message)
    : String(cause)

/** Encodes plain objects as JSON text, the only form that @effect/sql-pg accepts. */
const parameterOf = (value: unknown) =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
    ? JSON.stringify(value)
    : value

/** Results have `rows`, as pg-boss expects from node-postgres. */
const resultOf = (result: unknown) => result as { rows: Array<unknown> }

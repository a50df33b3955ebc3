import {
  Context,
  Data,
  Effect,
  type Fiber,
  Layer,
  Predicate,
  Random,
  References,
  Schedule,
  type Scope,
} from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError } from "effect/sql"
import { ConflictError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import * as Postgres from "./postgres/Client.ts"
import { Settings } from "../settings/Settings.ts"
import { makeObserver } from "./StatementObserver.ts"
import * as SqlFailure from "../SqlFailure.ts"
import * as Sqlite from "./sqlite/Client.ts"

/** The database is unusable at start. The message names the variable to check, never its value. */
export class DatabaseUnavailable extends Data.TaggedError("DatabaseUnavailable")<{
  readonly cause: SqlError.SqlError
}> {
  override get message() {
    const code = codeOf(this.cause)
    return `DATABASE_URL: the database cannot be opened (${code})${hints[code] ?? ""}`
  }
}

/** Hints by errno name, SQLSTATE or SQLite code. */
const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: ": connection refused. Is PostgreSQL running?",
  ENOTFOUND: ": the host name cannot be resolved",
  EAI_AGAIN: ": the host name cannot be resolved",
  "28P01": ": wrong user or password",
  "28000": ": the server rejects this user",
  "3D000": ": the database does not exist. Create it first: createdb",
  EACCES: ": its directory is not writable",
  EEXIST: ": the path of its directory is a file",
  ENOTDIR: ": the path of its directory is a file",
  SQLITE_CANTOPEN: ": the file cannot be opened for reading and writing",
  SQLITE_NOTADB: ": the file is not an SQLite database",
  SQLITE_BUSY: ": another process holds a lock on it",
  SQLITE_READONLY: ": the file is not writable",
}

/** https://sqlite.org/rescode.html */
const sqliteCodes: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  8: "SQLITE_READONLY",
  14: "SQLITE_CANTOPEN",
  26: "SQLITE_NOTADB",
}

type FixedStatement<Row> = (
  params: ReadonlyArray<unknown>,
) => Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError>

/** An open database. `autocommit` runs each statement by itself, outside transactions. */
interface Opened {
  readonly sql: SqlClient.SqlClient
  readonly autocommit: SqlConnection.Connection
}

type WithoutSqlError<E> = Exclude<E, SqlError.SqlError> | ServiceUnavailableError

/**
 * Transactions, and SQL errors mapped to the failures that callers handle. Every other SQL error is a defect.
 * Statements themselves are built with `SqlClient`.
 */
export class Database extends Context.Service<
  Database,
  {
    readonly dialect: "sqlite" | "pg"
    /**
     * Returns a function that runs a statement of a fixed text. Outside a transaction and without a span, it costs half
     * of what `SqlClient` does, which compiles its text and builds a span for each run.
     */
    readonly fixed: <Row extends object>(text: string) => FixedStatement<Row>
    /**
     * Runs the effect in a transaction, or in a savepoint if one is open. An outermost transaction is retried up to
     * three times after a serialization failure or a deadlock.
     */
    readonly transaction: <A, E, R>(
      self: Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, WithoutSqlError<E>, R>
    /** Runs statements that cannot violate a unique constraint. */
    readonly query: <A, E, R>(
      self: Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, WithoutSqlError<E>, R>
    /** Runs statements for which a unique violation is the caller's `ConflictError`. */
    readonly write: (
      resource: string,
    ) => <A, E, R>(
      self: Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, WithoutSqlError<E> | ConflictError, R>
    /** Runs `SELECT 1`; fails after 1 s. */
    readonly ping: Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/core/sql/Database") {
  /** Opens `Settings.database`, waiting up to 10 s for a server that is starting. Runs no migrations. */
  static readonly layer = Layer.effectContext(
    Effect.gen(function* () {
      const { database, DB_POOL_SIZE, OTEL_ENABLED } = yield* Settings
      const metrics = yield* Metrics
      const observe = makeObserver(metrics)
      const open: Effect.Effect<Opened, SqlError.SqlError, Scope.Scope | Reactivity.Reactivity> =
        database.dialect === "sqlite"
          ? Sqlite.make({ filename: database.filename, observe })
          : Effect.map(
              Postgres.make({ url: database.url, maxConnections: DB_POOL_SIZE, observe }),
              ({ pool, ...opened }) => {
                metrics.pool(() => ({ ...pool(), overflow: 0 }))
                return opened
              },
            )
      const opened = yield* open.pipe(
        Effect.tap(({ sql }) => waitUntilReachable(sql)),
        Effect.mapError((cause) => new DatabaseUnavailable({ cause })),
      )
      const { dialect } = database
      const made = make(opened, { dialect, metrics, isTraced: OTEL_ENABLED })
      return Context.make(Database, made).pipe(Context.add(SqlClient.SqlClient, opened.sql))
    }),
  ).pipe(Layer.provide(Reactivity.layer))
}

interface Options {
  readonly dialect: "sqlite" | "pg"
  readonly metrics: Metrics["Service"]
  /** False if no span is recorded anywhere. */
  readonly isTraced: boolean
}

const make = (
  { autocommit, sql }: Opened,
  { dialect, isTraced, metrics }: Options,
): Database["Service"] => {
  const fail = <E>(error: E): Effect.Effect<never, WithoutSqlError<E>> => {
    if (!SqlError.isSqlError(error)) return Effect.fail(error as Exclude<E, SqlError.SqlError>)
    metrics.databaseError(error.reason._tag)
    const unavailable = SqlFailure.toUnavailable(error)
    return unavailable === undefined ? Effect.die(error) : Effect.fail(unavailable)
  }

  const query = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, WithoutSqlError<E>, R> =>
    Effect.catch(self, fail)

  const write =
    (resource: string) =>
    <A, E, R>(
      self: Effect.Effect<A, E, R>,
    ): Effect.Effect<A, WithoutSqlError<E> | ConflictError, R> =>
      Effect.catch(self, (error): Effect.Effect<never, WithoutSqlError<E> | ConflictError> => {
        const field = SqlFailure.duplicateColumn(error)
        if (field === undefined) return fail(error)
        metrics.databaseError("UniqueViolation")
        return Effect.fail(new ConflictError({ resource, reason: "duplicate", field }))
      })

  const runTransaction = <A, E, R>(
    self: Effect.Effect<A, E, R>,
    retries: number,
  ): Effect.Effect<A, WithoutSqlError<E>, R> =>
    Effect.catch(sql.withTransaction(self), (error): Effect.Effect<A, WithoutSqlError<E>, R> =>
      retries > 0 && SqlFailure.isTransient(error)
        ? Effect.andThen(backoff, runTransaction(self, retries - 1))
        : fail(error as E),
    )

  const isInTransaction = ({ context }: Fiber.Fiber<unknown, unknown>) =>
    Context.getOrUndefined(context, sql.transactionService) !== undefined

  const fixed = <Row extends object>(text: string): FixedStatement<Row> => {
    type Rows = ReturnType<FixedStatement<Row>>
    return (params) =>
      Effect.withFiber<ReadonlyArray<Row>, SqlError.SqlError>((fiber) => {
        const isPlain =
          !isInTransaction(fiber) && !(isTraced && fiber.getRef(References.TracerEnabled))
        return isPlain
          ? (autocommit.execute(text, params, undefined) as Rows)
          : sql.unsafe<Row>(text, params)
      })
  }

  return {
    dialect,
    fixed,
    query,
    write,
    transaction: (self) =>
      Effect.withFiber((fiber) => runTransaction(self, isInTransaction(fiber) ? 0 : maxRetries)),
    ping: query(sql`SELECT 1`).pipe(
      Effect.timeoutOrElse({
        duration: "1 second",
        orElse: () => Effect.fail(new ServiceUnavailableError({ service: "database" })),
      }),
      Effect.asVoid,
    ),
  }
}

const maxRetries = 3

/** Waits 10 to 40 ms, at random, so that two conflicting transactions do not collide again. */
const backoff = Effect.flatMap(Random.nextIntBetween(10, 40), (millis) => Effect.sleep(millis))

const noSuchDatabase = "3D000"

/** Retries while the server is starting; fails immediately on refused credentials or a missing database. */
const waitUntilReachable = (sql: SqlClient.SqlClient) =>
  Effect.retry(sql`SELECT 1`, {
    schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "10 seconds" })),
    while: (error) =>
      error.reason._tag !== "AuthenticationError" && codeOf(error) !== noSuchDatabase,
  })

/** The driver's code: an errno name or an SQLSTATE. Never the message, which may contain the address. */
const codeOf = ({ reason }: SqlError.SqlError) => {
  const { cause } = reason
  // The lowest byte of an extended SQLite code is the primary code.
  if (Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number") {
    return sqliteCodes[cause.errcode & 255] ?? `SQLite ${cause.errcode}`
  }
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string"
    ? cause.code
    : reason._tag
}

import { Context, Data, Effect, Layer, Predicate, Random, Schedule, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, SqlError } from "effect/sql"
import { ConflictError, ServiceUnavailableError } from "../domain/Errors.ts"
import { BoundedMap } from "./BoundedMap.ts"
import { Metrics } from "./Metrics.ts"
import * as Postgres from "./Postgres.ts"
import { Settings } from "./Settings.ts"
import * as SqlFailure from "./SqlFailure.ts"
import * as Sqlite from "./Sqlite.ts"

/** The database cannot be used at start. Says which variable to look at, never what is in it. */
export class DatabaseUnavailable extends Data.TaggedError("DatabaseUnavailable")<{
  readonly cause: SqlError.SqlError
}> {
  override get message() {
    const code = codeOf(this.cause)
    return `DATABASE_URL: the database cannot be opened (${code})${hints[code] ?? ""}`
  }
}

/** What to look at first, by the code of the system, of PostgreSQL or of SQLite. */
const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: ": nothing listens there. Does PostgreSQL run?",
  ENOTFOUND: ": there is no such host",
  EAI_AGAIN: ": there is no such host",
  "28P01": ": its user or password is refused",
  "28000": ": its user is refused",
  "3D000": ": there is no database of this name. Create it first: createdb",
  EACCES: ": its directory cannot be written",
  EEXIST: ": what should be its directory is a file",
  ENOTDIR: ": what should be its directory is a file",
  SQLITE_CANTOPEN: ": the file cannot be read and written",
  SQLITE_NOTADB: ": the file is no SQLite database",
  SQLITE_BUSY: ": another process keeps it locked",
  SQLITE_READONLY: ": the file cannot be written",
}

/** https://sqlite.org/rescode.html */
const sqliteCodes: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  8: "SQLITE_READONLY",
  14: "SQLITE_CANTOPEN",
  26: "SQLITE_NOTADB",
}

type Read<E> = Exclude<E, SqlError.SqlError> | ServiceUnavailableError

/**
 * The database beside its `SqlClient`: transactions, and SQL errors as the failures that callers know. What else
 * SQL fails of is a defect.
 */
export class Database extends Context.Service<
  Database,
  {
    readonly dialect: "sqlite" | "pg"
    /**
     * Runs the effect in a transaction, or in a savepoint of the one that is open. The outermost is run again up to
     * three times when PostgreSQL refuses it because of another one.
     */
    readonly transaction: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, Read<E>, R>
    /** For statements that cannot meet a duplicate. */
    readonly query: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, Read<E>, R>
    /** For statements whose duplicates are the caller's error. */
    readonly write: (
      resource: string,
    ) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, Read<E> | ConflictError, R>
    /** Answers within a second. */
    readonly ping: Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/core/Database") {
  /** `Settings.database`, open; a server that is not there yet is waited for, 10 s. Migrates nothing. */
  static readonly layer = Layer.effectContext(
    Effect.gen(function* () {
      const { database, DB_POOL_SIZE } = yield* Settings
      const metrics = yield* Metrics
      const observe = observer(metrics)
      const open: Effect.Effect<
        SqlClient.SqlClient,
        SqlError.SqlError,
        Scope.Scope | Reactivity.Reactivity
      > =
        database.dialect === "sqlite"
          ? Sqlite.make({ filename: database.filename, observe })
          : Effect.map(
              Postgres.make({ url: database.url, maxConnections: DB_POOL_SIZE, observe }),
              ({ sql, pool }) => {
                metrics.pool(() => ({ ...pool(), overflow: 0 }))
                return sql
              },
            )
      const sql = yield* open.pipe(
        Effect.tap((client) => reachable(client)),
        Effect.mapError((cause) => new DatabaseUnavailable({ cause })),
      )
      return Context.make(Database, make(sql, database.dialect, metrics)).pipe(
        Context.add(SqlClient.SqlClient, sql),
      )
    }),
  ).pipe(Layer.provide(Reactivity.layer))
}

const make = (
  sql: SqlClient.SqlClient,
  dialect: "sqlite" | "pg",
  metrics: Metrics["Service"],
): Database["Service"] => {
  const failed = <E>(error: E): Effect.Effect<never, Read<E>> => {
    if (!SqlError.isSqlError(error)) return Effect.fail(error as Exclude<E, SqlError.SqlError>)
    metrics.databaseError(error.reason._tag)
    const unavailable = SqlFailure.unavailable(error)
    return unavailable === undefined ? Effect.die(error) : Effect.fail(unavailable)
  }

  const query = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, Read<E>, R> =>
    Effect.catch(self, failed)

  const write =
    (resource: string) =>
    <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, Read<E> | ConflictError, R> =>
      Effect.catch(self, (error): Effect.Effect<never, Read<E> | ConflictError> => {
        const field = SqlFailure.duplicate(error)
        if (field === undefined) return failed(error)
        metrics.databaseError("UniqueViolation")
        return Effect.fail(new ConflictError({ resource, reason: "duplicate", field }))
      })

  const attempt = <A, E, R>(
    self: Effect.Effect<A, E, R>,
    retries: number,
  ): Effect.Effect<A, Read<E>, R> =>
    Effect.catch(sql.withTransaction(self), (error): Effect.Effect<A, Read<E>, R> =>
      retries > 0 && SqlFailure.isTransient(error)
        ? Effect.andThen(backoff, attempt(self, retries - 1))
        : failed(error as E),
    )

  return {
    dialect,
    query,
    write,
    transaction: (self) =>
      Effect.withFiber((fiber) =>
        attempt(self, fiber.context.mapUnsafe.has(sql.transactionService.key) ? 0 : maxRetries),
      ),
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

/** 10 to 40 ms, so that two transactions that met do not meet again. */
const backoff = Effect.flatMap(Random.nextIntBetween(10, 40), (millis) => Effect.sleep(millis))

const noSuchDatabase = "3D000"

/** A server that is still starting is waited for; one that refuses us, or has no such database, is not. */
const reachable = (sql: SqlClient.SqlClient) =>
  Effect.retry(sql`SELECT 1`, {
    schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "10 seconds" })),
    while: (error) =>
      error.reason._tag !== "AuthenticationError" && codeOf(error) !== noSuchDatabase,
  })

/** The driver's own word for it: an errno name or an SQLSTATE. Messages may hold the address. */
const codeOf = ({ reason }: SqlError.SqlError) => {
  const { cause } = reason
  // Extended codes of SQLite have the code in their lowest byte.
  if (Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number") {
    return sqliteCodes[cause.errcode & 255] ?? `SQLite ${cause.errcode}`
  }
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string"
    ? cause.code
    : reason._tag
}

/** Counts and times every statement by its operation and first table, which are read once per text. */
const observer = (metrics: Metrics["Service"]) => {
  const known = new BoundedMap<string, Subject | null>(maxKnown)
  return (sql: string, started: number) => {
    let subject = known.get(sql)
    if (subject === undefined) {
      subject = subjectOf(sql)
      known.set(sql, subject)
    }
    if (subject === null) return
    metrics.query(subject.operation, subject.table, (performance.now() - started) / 1000)
  }
}

const maxKnown = 1000

interface Subject {
  readonly operation: "SELECT" | "INSERT" | "UPDATE" | "DELETE"
  readonly table: string
}

/** `null` for what reads or writes no table: BEGIN, SET, SELECT 1. */
const subjectOf = (sql: string): Subject | null => {
  const [, operation, table] = subjectPattern.exec(sql) ?? []
  return operation === undefined || table === undefined
    ? null
    : { operation: operation.toUpperCase() as Subject["operation"], table: table.toLowerCase() }
}

const subjectPattern =
  /^\s*(SELECT|INSERT|UPDATE|DELETE)\b(?:(?<=UPDATE)|[^]*?\b(?:FROM|INTO)\b)\s+"?([a-z_]\w*)/i

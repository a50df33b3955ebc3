import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type Migration, migrations as shipped } from "../../../migrations/index.ts"
import { now, timestampOf } from "../../domain/Fields.ts"
import { Database } from "./Database.ts"
import { MigrationConflictError, MigrationError } from "./MigrationError.ts"
import { type MigrationPlan, newestOf, numberOf, plan } from "./MigrationPlan.ts"
import * as MigrationTable from "./MigrationTable.ts"

type Migrations = Readonly<Record<string, Migration>>

/** Runs pending migrations in one transaction, under a lock that makes a second process wait. Returns their names. */
export const run = (migrations: Migrations = shipped) =>
  MigrationTable.withLock(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const found = yield* planWithoutProblems(migrations)
      const applied_at = yield* appliedAtAfter(found)
      for (const [name, { up }] of Object.entries(migrations)) {
        if (!found.pending.includes(name)) continue
        const row = { id: numberOf(name), name, applied_at }
        yield* runStep(name, Effect.andThen(up, sql`INSERT INTO migrations ${sql.insert(row)}`))
      }
      return found
    }),
  ).pipe(
    Effect.tap(warnIfNewer),
    Effect.map(({ pending }) => pending),
  )

/** Runs pending migrations while the application starts. */
export const layer = Layer.effectDiscard(Effect.suspend(() => run()))

/** Returns the names that `run` would run. Fails and warns like `run`, but changes nothing. */
export const pending = (migrations: Migrations = shipped) =>
  Effect.gen(function* () {
    const database = yield* Database
    const found = yield* database.query(planWithoutProblems(migrations))
    yield* warnIfNewer(found)
    return found.pending
  })

/** Rolls back the migration that ran last, whatever its number. Returns its name, or `null` if none has run. */
export const rollback = (migrations: Migrations = shipped) =>
  MigrationTable.withLock(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const newest = newestOf(yield* planWithoutProblems(migrations))
      if (newest === undefined) return null
      const migration = migrations[newest.name]
      if (migration === undefined) {
        return yield* conflict(
          `the newest migration ${newest.name} is not in this release. Run plinth migrate down of a release that has it`,
        )
      }
      const deletion = sql`DELETE FROM migrations WHERE id = ${newest.id}`
      yield* runStep(newest.name, Effect.andThen(migration.down, deletion))
      return newest.name
    }),
  )

/**
 * Renames the record of migration `from` to `to`, its name in this release. Also runs while migrations conflict,
 * because it resolves conflicts.
 */
export const rename = (from: string, to: string, migrations: Migrations = shipped) =>
  MigrationTable.withLock(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* MigrationTable.recorded
      const row = rows.find(({ name }) => name === from)
      if (row === undefined) {
        return yield* conflict(
          `migration ${from} has not run on this database. plinth migrate status lists those that have`,
        )
      }
      if (Object.hasOwn(migrations, from)) {
        return yield* conflict(
          `migration ${from} is still in this release and would run again. First rename its file and its line in migrations/index.ts`,
        )
      }
      if (!Object.hasOwn(migrations, to)) {
        return yield* conflict(
          `migration ${to} is not in this release. First rename its file and its line in migrations/index.ts`,
        )
      }
      const taken = rows.find((one) => one !== row && (one.name === to || one.id === numberOf(to)))
      if (taken !== undefined) {
        return yield* conflict(
          `migration ${taken.name} has also run on this database, so ${from} cannot be renamed to ${to}`,
        )
      }
      yield* sql`UPDATE migrations SET ${sql.update({ id: numberOf(to), name: to })} WHERE id = ${row.id}`
    }),
  )

/** Returns the migrations of this release and those that ran, even if they conflict. Changes nothing. */
export const status = (migrations: Migrations = shipped) =>
  Effect.gen(function* () {
    const database = yield* Database
    return yield* database.query(currentPlan(migrations))
  })

const currentPlan = Effect.fnUntraced(function* (migrations: Migrations) {
  return plan(Object.keys(migrations), yield* MigrationTable.recorded)
})

const planWithoutProblems = (migrations: Migrations) =>
  Effect.filterOrFail(
    currentPlan(migrations),
    ({ problems }) => problems.length === 0,
    ({ problems }) => new MigrationConflictError({ problems }),
  )

const conflict = (problem: string) => new MigrationConflictError({ problems: [problem] })

const warnIfNewer = ({ newer }: MigrationPlan) =>
  newer.length === 0
    ? Effect.void
    : Effect.logWarning("a newer release has migrated this database").pipe(
        Effect.annotateLogs({ migrations: newer.join(", ") }),
      )

/** Returns the current time, but later than all earlier runs even if clocks differ: `newestOf` compares times. */
const appliedAtAfter = (found: MigrationPlan) =>
  Effect.map(now, (time) => {
    const latest = newestOf(found)?.applied_at ?? null
    return latest === null || latest < time
      ? time
      : timestampOf(DateTime.add(DateTime.makeUnsafe(latest), { milliseconds: 1 }))
  })

/** Adds the migration's name to every failure and defect. */
const runStep = <E, R>(migration: string, self: Effect.Effect<unknown, E, R>) =>
  self.pipe(
    Effect.mapError((cause) => new MigrationError({ migration, cause })),
    Effect.catchDefect((cause) => Effect.die(new MigrationError({ migration, cause }))),
  )

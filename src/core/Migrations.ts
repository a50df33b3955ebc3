import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type Migration, migrations as shipped } from "../../migrations/index.ts"
import { now, timestampOf } from "../domain/Fields.ts"
import { Database } from "./Database.ts"
import { MigrationConflictError, MigrationError } from "./MigrationError.ts"
import { type MigrationPlan, newestOf, numberOf, plan } from "./MigrationPlan.ts"
import * as MigrationTable from "./MigrationTable.ts"

type Migrations = Readonly<Record<string, Migration>>

/** Runs what has not run, in one transaction, under a lock that makes a second process wait. Returns what it ran. */
export const run = (migrations: Migrations = shipped) =>
  MigrationTable.locked(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const found = yield* accepted(migrations)
      const applied_at = yield* timeAfter(found)
      for (const [name, { up }] of Object.entries(migrations)) {
        if (!found.pending.includes(name)) continue
        const row = { id: numberOf(name), name, applied_at }
        yield* step(name, Effect.andThen(up, sql`INSERT INTO migrations ${sql.insert(row)}`))
      }
      return found
    }),
  ).pipe(
    Effect.tap(warn),
    Effect.map(({ pending }) => pending),
  )

/** Runs what has not run, while the application starts. */
export const layer = Layer.effectDiscard(Effect.suspend(() => run()))

/** The names that `run` would run. Fails and warns as it would, and changes nothing. */
export const pending = (migrations: Migrations = shipped) =>
  Effect.gen(function* () {
    const database = yield* Database
    const found = yield* database.query(accepted(migrations))
    yield* warn(found)
    return found.pending
  })

/** Takes back the one that ran last, whatever its number. Returns its name, or `null` when none has run. */
export const rollback = (migrations: Migrations = shipped) =>
  MigrationTable.locked(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const newest = newestOf(yield* accepted(migrations))
      if (newest === undefined) return null
      const migration = migrations[newest.name]
      if (migration === undefined) {
        return yield* refused(
          `migration ${newest.name} ran last, and this release does not have it: run plinth migrate down of the release that has it`,
        )
      }
      const forget = sql`DELETE FROM migrations WHERE id = ${newest.id}`
      yield* step(newest.name, Effect.andThen(migration.down, forget))
      return newest.name
    }),
  )

/** Records what ran as `from` under the name that this release has for it, `to`. Works in a conflict, which it ends. */
export const rename = (from: string, to: string, migrations: Migrations = shipped) =>
  MigrationTable.locked(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* MigrationTable.recorded
      const row = rows.find(({ name }) => name === from)
      if (row === undefined) {
        return yield* refused(
          `no migration ${from} has run on this database: plinth migrate status lists those that have`,
        )
      }
      if (Object.hasOwn(migrations, from)) {
        return yield* refused(
          `migration ${from} is in this release, and would run again: rename its file and its line in migrations/index.ts first`,
        )
      }
      if (!Object.hasOwn(migrations, to)) {
        return yield* refused(
          `migration ${to} is not in this release: rename its file and its line in migrations/index.ts first`,
        )
      }
      const taken = rows.find((one) => one !== row && (one.name === to || one.id === numberOf(to)))
      if (taken !== undefined) {
        return yield* refused(
          `migration ${taken.name} has run on this database too, so ${from} cannot become ${to}`,
        )
      }
      yield* sql`UPDATE migrations SET ${sql.update({ id: numberOf(to), name: to })} WHERE id = ${row.id}`
    }),
  )

/** The migrations of this release and those that ran, whether they fit together or not. Changes nothing. */
export const status = (migrations: Migrations = shipped) =>
  Effect.gen(function* () {
    const database = yield* Database
    return yield* database.query(planned(migrations))
  })

const planned = Effect.fnUntraced(function* (migrations: Migrations) {
  return plan(Object.keys(migrations), yield* MigrationTable.recorded)
})

const accepted = (migrations: Migrations) =>
  Effect.filterOrFail(
    planned(migrations),
    ({ problems }) => problems.length === 0,
    ({ problems }) => new MigrationConflictError({ problems }),
  )

const refused = (problem: string) => new MigrationConflictError({ problems: [problem] })

const warn = ({ newer }: MigrationPlan) =>
  newer.length === 0
    ? Effect.void
    : Effect.logWarning("a newer release has migrated this database").pipe(
        Effect.annotateLogs({ migrations: newer.join(", ") }),
      )

/** Now; after all that ran before even where clocks differ, so that the newest is the last. */
const timeAfter = (found: MigrationPlan) =>
  Effect.map(now, (time) => {
    const latest = newestOf(found)?.applied_at ?? null
    return latest === null || latest < time
      ? time
      : timestampOf(DateTime.add(DateTime.makeUnsafe(latest), { milliseconds: 1 }))
  })

/** Whatever it fails of, a bug of its own included, is told with its name. */
const step = <E, R>(migration: string, self: Effect.Effect<unknown, E, R>) =>
  self.pipe(
    Effect.mapError((cause) => new MigrationError({ migration, cause })),
    Effect.catchDefect((cause) => Effect.die(new MigrationError({ migration, cause }))),
  )

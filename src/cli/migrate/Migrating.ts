import { Effect, Layer } from "effect"
import * as JobStores from "../../core/jobs/Stores.ts"
import { MigrationConflictError } from "../../core/sql/MigrationError.ts"
import { type MigrationPlan, newestOf } from "../../core/sql/MigrationPlan.ts"
import * as Migrations from "../../core/sql/Migrations.ts"
import { confirm } from "../Confirmation.ts"
import { broken, type Finding, warning } from "../doctor/Finding.ts"
import { print } from "../Output.ts"
import { withProgress } from "../Progress.ts"
import { results } from "../Results.ts"
import { table } from "../Table.ts"

interface OutputOptions {
  readonly json: boolean
}

export const run = Effect.fnUntraced(function* ({ json }: OutputOptions) {
  const applied = yield* withProgress("Migrating")(Migrations.run())
  // Building the job store creates its tables.
  yield* Effect.scoped(Layer.build(JobStores.layer))
  yield* print(json, results.migrate, { applied }, () =>
    applied.length === 0 ? "Nothing to migrate" : applied.map((name) => `Ran ${name}`).join("\n"),
  )
})

export const status = Effect.fnUntraced(function* ({ json }: OutputOptions) {
  const { migrations, pending, problems } = yield* Migrations.status()
  const result = { migrations, pending: pending.length }
  yield* print(json, results["migrate status"], result, () =>
    table(
      ["id", "name", "applied_at", "known"],
      migrations.map(({ applied_at, id, known, name }) => [id, name, applied_at, known]),
    ),
  )
  if (problems.length > 0) return yield* new MigrationConflictError({ problems })
})

export const down = Effect.fnUntraced(function* (
  options: OutputOptions & { readonly yes: boolean },
) {
  const newest = newestOf(yield* Migrations.status())
  if (newest !== undefined) {
    yield* confirm(options.yes, `Roll back ${newest.name} and delete its data?`)
  }
  const rolled_back =
    newest === undefined ? null : yield* withProgress("Rolling back")(Migrations.rollback())
  yield* print(options.json, results["migrate down"], { rolled_back }, () =>
    rolled_back === null ? "Nothing to roll back" : `Rolled back ${rolled_back}`,
  )
})

export const rename = Effect.fnUntraced(function* ({
  from,
  json,
  to,
}: OutputOptions & { readonly from: string; readonly to: string }) {
  yield* Migrations.rename(from, to)
  yield* print(json, results["migrate rename"], { from, to }, () => `Renamed ${from} to ${to}`)
})

/** Adds the state of the migrations to the `doctor` finding of a reachable database. */
export const migrationsFinding = (
  database: Finding,
  { newer, pending, problems }: MigrationPlan,
) => {
  if (problems.length > 0) return broken(database, problems.join("; "))
  const advice = [
    pending.length > 0 &&
      `migrations are pending (${pending.length}): run plinth migrate, or start a server`,
    newer.length > 0 && `a newer release has migrated this database: ${newer.join(", ")}`,
  ].filter((sentence) => sentence !== false)
  return advice.length === 0 ? database : warning(database, advice.join("; "))
}

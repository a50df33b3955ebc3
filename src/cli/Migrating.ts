import { Effect, Layer } from "effect"
import * as JobStores from "../core/jobs/Stores.ts"
import { MigrationConflictError } from "../core/sql/MigrationError.ts"
import { type MigrationPlan, newestOf } from "../core/sql/MigrationPlan.ts"
import * as Migrations from "../core/sql/Migrations.ts"
import { confirm } from "./Confirmation.ts"
import { broken, type Finding, warning } from "./Finding.ts"
import { print } from "./Output.ts"
import { during } from "./Progress.ts"
import { results } from "./Results.ts"
import { table } from "./Table.ts"

interface Options {
  readonly json: boolean
}

export const run = Effect.fnUntraced(function* ({ json }: Options) {
  const applied = yield* during("Migrating")(Migrations.run())
  // Where jobs are kept is made when it is opened.
  yield* Effect.scoped(Layer.build(JobStores.layer))
  yield* print(json, results.migrate, { applied }, () =>
    applied.length === 0 ? "Nothing to migrate" : applied.map((name) => `Ran ${name}`).join("\n"),
  )
})

export const status = Effect.fnUntraced(function* ({ json }: Options) {
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

export const down = Effect.fnUntraced(function* (options: Options & { readonly yes: boolean }) {
  const newest = newestOf(yield* Migrations.status())
  if (newest !== undefined) {
    yield* confirm(options.yes, `Take ${newest.name} back and lose what it holds?`)
  }
  const rolled_back =
    newest === undefined ? null : yield* during("Taking it back")(Migrations.rollback())
  yield* print(options.json, results["migrate down"], { rolled_back }, () =>
    rolled_back === null ? "Nothing to take back" : `Took back ${rolled_back}`,
  )
})

export const rename = Effect.fnUntraced(function* ({
  from,
  json,
  to,
}: Options & { readonly from: string; readonly to: string }) {
  yield* Migrations.rename(from, to)
  yield* print(json, results["migrate rename"], { from, to }, () => `Renamed ${from} to ${to}`)
})

/** The findings of `doctor` about them in a database that answers. */
export const examined = (database: Finding, { newer, pending, problems }: MigrationPlan) => {
  if (problems.length > 0) return broken(database, problems.join("; "))
  const advice = [
    pending.length > 0 &&
      `migrations are pending (${pending.length}): plinth migrate, or a start, runs them`,
    newer.length > 0 && `a newer release has migrated it: ${newer.join(", ")}`,
  ].filter((one) => one !== false)
  return advice.length === 0 ? database : warning(database, advice.join("; "))
}

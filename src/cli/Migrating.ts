import { Effect, Layer } from "effect"
import * as JobStores from "../core/JobStores.ts"
import * as Migrations from "../core/Migrations.ts"
import { confirm } from "./Confirmation.ts"
import { CommandFailed, print } from "./Output.ts"
import { during } from "./Progress.ts"
import { results } from "./Results.ts"
import { table } from "./Table.ts"

interface Options {
  readonly json: boolean
}

export const run = Effect.fnUntraced(function* ({ json }: Options) {
  const applied = yield* told(during("Migrating")(Migrations.run()))
  // Where jobs are kept is made when it is opened.
  yield* Effect.scoped(Layer.build(JobStores.layer))
  yield* print(json, results.migrate, { applied }, () =>
    applied.length === 0 ? "Nothing to migrate" : applied.map((name) => `Ran ${name}`).join("\n"),
  )
})

export const status = Effect.fnUntraced(function* ({ json }: Options) {
  const migrations = yield* Migrations.status()
  yield* print(
    json,
    results["migrate status"],
    { migrations, pending: pendingOf(migrations).length },
    () =>
      table(
        ["id", "name", "applied_at"],
        migrations.map(({ applied_at, id, name }) => [id, name, applied_at]),
      ),
  )
})

export const down = Effect.fnUntraced(function* (options: Options & { readonly yes: boolean }) {
  const newest = (yield* Migrations.status()).findLast(({ applied_at }) => applied_at !== null)
  if (newest !== undefined) {
    yield* confirm(options.yes, `Take ${newest.name} back and lose what it holds?`)
  }
  const rolled_back =
    newest === undefined ? null : yield* told(during("Taking it back")(Migrations.rollback()))
  yield* print(options.json, results["migrate down"], { rolled_back }, () =>
    rolled_back === null ? "Nothing to take back" : `Took back ${rolled_back}`,
  )
})

export const pendingOf = (migrations: ReadonlyArray<Migrations.Status>) =>
  migrations.filter(({ applied_at }) => applied_at === null)

/** With what the database said, which an operator needs and a log of the server has. */
const told = <A, E, R>(self: Effect.Effect<A, E | Migrations.MigrationError, R>) =>
  Effect.mapError(self, (error) =>
    error instanceof Migrations.MigrationError
      ? new CommandFailed({ message: `${error.message}: ${reasonOf(error.cause)}` })
      : error,
  )

const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "the database refused it"
  return cause.cause instanceof Error ? reasonOf(cause.cause) : cause.message
}

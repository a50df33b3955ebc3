import { Effect, Result } from "effect"
import type { Settings } from "../../../core/settings/Settings.ts"
import { Database } from "../../../core/sql/Database.ts"
import * as Migrations from "../../../core/sql/Migrations.ts"
import { broken, ok } from "../Finding.ts"
import { migrationsFinding } from "../../migrate/Migrating.ts"
import { probeLayer } from "./Probe.ts"

type Values = Settings["Service"]

export const reason = ({ DATABASE_URL }: Values) =>
  DATABASE_URL === null ? "DATABASE_URL is not set" : "DATABASE_URL"

export const examine = Effect.fnUntraced(function* (settings: Values) {
  const finding = ok(
    "Database",
    settings.database.dialect === "pg" ? "PostgreSQL" : "SQLite",
    reason(settings),
  )
  const probe = Effect.andThen(
    Effect.flatMap(Database, ({ ping }) => ping),
    Migrations.status(),
  )
  const result = yield* Effect.result(Effect.provide(probe, probeLayer(settings, Database.layer)))
  if (Result.isFailure(result)) {
    return { finding: broken(finding, result.failure.message), isMigrated: false }
  }
  return {
    finding: migrationsFinding(finding, result.success),
    isMigrated: result.success.pending.length === 0,
  }
})

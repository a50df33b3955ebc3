import { Effect, Layer, Result } from "effect"
import type { Settings } from "../../../core/settings/Settings.ts"
import { Database } from "../../../core/sql/Database.ts"
import { jobRunner, Leases } from "../../../core/sql/Leases.ts"
import { ok, warning } from "../Finding.ts"
import * as DatabaseFinding from "./Database.ts"
import { probeLayer } from "./Probe.ts"

type Values = Settings["Service"]

/** Warns when no process runs jobs. A process that does holds the `job_runner` lease. */
export const examine = Effect.fnUntraced(function* (settings: Values, isMigrated: boolean) {
  const finding = ok(
    "Jobs",
    settings.jobsEmbedded ? "in the server" : "in workers",
    settings.JOBS_EMBEDDED === null ? DatabaseFinding.reason(settings) : "JOBS_EMBEDDED",
  )
  if (settings.jobsEmbedded) return finding
  // The leases can be read only from a migrated database.
  if (!isMigrated) return warning(finding, "unknown: see Database")
  const probe = Effect.flatMap(Leases, ({ isHeld }) => isHeld(jobRunner))
  const layer = Leases.layer.pipe(Layer.provide(Database.layer))
  const leaseResult = yield* Effect.result(Effect.provide(probe, probeLayer(settings, layer)))
  return Result.isSuccess(leaseResult) && leaseResult.success
    ? finding
    : warning(finding, "no worker has run for 15 s, so jobs are waiting: start plinth worker")
})

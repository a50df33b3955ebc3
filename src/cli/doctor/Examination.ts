import { Effect, Result } from "effect"
import { Settings } from "../../core/settings/Settings.ts"
import { type Finding, ok } from "./Finding.ts"
import * as Ai from "./findings/Ai.ts"
import * as Database from "./findings/Database.ts"
import * as DataDirectory from "./findings/DataDirectory.ts"
import * as Documentation from "./findings/Documentation.ts"
import * as Email from "./findings/Email.ts"
import * as Jobs from "./findings/Jobs.ts"
import * as Logger from "./findings/Logger.ts"
import * as Metrics from "./findings/Metrics.ts"
import * as Proxies from "./findings/Proxies.ts"
import * as Redis from "./findings/Redis.ts"
import * as Rpc from "./findings/Rpc.ts"
import * as SecretKey from "./findings/SecretKey.ts"
import * as Tokens from "./findings/Tokens.ts"
import * as Tracing from "./findings/Tracing.ts"

/**
 * Examines every part that a server would use. Each part has its file in `findings`. Builds the layers itself, unlike
 * other modules, because a layer that cannot be built is a finding, not a failure.
 */
export const examine = Effect.gen(function* () {
  const loaded = yield* Effect.result(Effect.provide(Settings, Settings.layer))
  if (Result.isFailure(loaded)) {
    return loaded.failure.problems.map(({ name, message }): Finding => ({
      part: name,
      status: "broken",
      live: null,
      why: null,
      advice: message,
    }))
  }
  const settings = loaded.success
  const { finding: databaseFinding, isMigrated } = yield* Database.examine(settings)
  return [
    ok("Settings", settings.ENVIRONMENT, "ENVIRONMENT"),
    DataDirectory.finding(settings),
    SecretKey.finding(settings),
    databaseFinding,
    yield* Jobs.examine(settings, isMigrated),
    yield* Redis.examine(settings),
    yield* Tokens.examine(settings),
    Email.finding(settings),
    Ai.finding(settings),
    Logger.finding(settings),
    Metrics.finding(settings),
    Rpc.finding(settings),
    Tracing.finding(settings),
    Documentation.finding(settings),
    Proxies.finding(settings),
  ]
})

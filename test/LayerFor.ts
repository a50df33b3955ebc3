import { Layer } from "effect"
import { Database } from "../src/core/sql/Database.ts"
import * as JobStores from "../src/core/jobs/Stores.ts"
import { Metrics } from "../src/core/telemetry/Metrics.ts"
import { Settings } from "../src/core/settings/Settings.ts"

/** Database and SqlClient at an address, for suites below the business. Not migrated. Also for other processes. */
export const layerFor = (url: string) =>
  Layer.fresh(Database.layer).pipe(
    Layer.provide(Metrics.layer),
    Layer.provide(Settings.layerFrom({ DATABASE_URL: url, SECRET_KEY: secret })),
  )

/** Where jobs are kept at an address: made, when it is not there. */
export const jobsFor = (url: string) =>
  JobStores.layer.pipe(
    Layer.provide(layerFor(url)),
    Layer.provide(Settings.layerFrom({ DATABASE_URL: url, SECRET_KEY: secret })),
  )

const secret = "0123456789abcdef-only-for-these-tests"

import { Layer } from "effect"
import { Database } from "../src/core/sql/Database.ts"
import * as JobStores from "../src/core/jobs/Stores.ts"
import { Metrics } from "../src/core/telemetry/Metrics.ts"
import { Settings } from "../src/core/settings/Settings.ts"

/** Database and SqlClient for a URL, for suites of the lanes below `business`. Not migrated. Child processes use it too. */
export const layerFor = (url: string) =>
  Layer.fresh(Database.layer).pipe(
    Layer.provide(Metrics.layer),
    Layer.provide(Settings.layerFrom({ DATABASE_URL: url, SECRET_KEY: secret })),
  )

/** The job store in the database at this URL. Creates its tables when they are missing. */
export const jobsFor = (url: string) =>
  JobStores.layer.pipe(
    Layer.provide(layerFor(url)),
    Layer.provide(Settings.layerFrom({ DATABASE_URL: url, SECRET_KEY: secret })),
  )

const secret = "0123456789abcdef-only-for-these-tests"

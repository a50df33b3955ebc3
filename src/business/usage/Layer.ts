import { Layer } from "effect"
import { Usage } from "./Usage.ts"
import { UsageRepo } from "./UsageRepo.ts"
import { UsageReports } from "./UsageReports.ts"
import { UsageReportsRepo } from "./UsageReportsRepo.ts"

/** The usage ledger and its reports. */
export const layer = Layer.mergeAll(Usage.layer, UsageReports.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(UsageRepo.layer, UsageReportsRepo.layer)),
)

import { Layer } from "effect"
import { Jobs } from "./Jobs.ts"
import { Readiness } from "./Readiness.ts"

/** Administration of jobs, and the readiness of the service. */
export const layer = Layer.mergeAll(Jobs.layer, Readiness.layer)

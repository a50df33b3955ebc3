import { Layer } from "effect"
import { Leases } from "../sql/Leases.ts"
import { JobQueue } from "./Queue.ts"
import { JobSchedules } from "./Schedules.ts"
import * as JobStores from "./Stores.ts"

/** The job queue, with its store on the configured database. */
export const layer = JobQueue.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(JobStores.layer, JobSchedules.layer, Leases.layer)),
)

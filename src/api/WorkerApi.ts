import { HttpApi } from "effect/http-api"
import { Observation } from "./middleware/Observation.ts"
import { HealthApi } from "./public/HealthApi.ts"

/** The HTTP contract of a worker, at the root of its port: the probes and metrics that the server has too. */
export class WorkerApi extends HttpApi.make("worker").add(HealthApi).middleware(Observation) {}

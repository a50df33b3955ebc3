import { HttpApi } from "effect/http-api"
import { Observation } from "./Observation.ts"
import { HealthApi } from "./public/HealthApi.ts"

/** What a worker answers, at the root of its port: probes and metrics, as the server has them. */
export class WorkerApi extends HttpApi.make("worker").add(HealthApi).middleware(Observation) {}

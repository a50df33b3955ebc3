import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { routesOf } from "../http/Routes.ts"
import * as ObservationHttp from "./middleware/ObservationHttp.ts"
import * as Protocol from "../http/Protocol.ts"
import * as HealthHttp from "./public/HealthHttp.ts"
import * as Server from "../http/Server.ts"
import { WorkerApi } from "./WorkerApi.ts"

const health = HttpApiBuilder.group(WorkerApi, "health", (handlers) =>
  Effect.map(HealthHttp.operations, (all) => handlers.handleAll(all)),
)

/** Every route of the worker. */
const routes = Layer.merge(
  HttpApiBuilder.layer(WorkerApi).pipe(Layer.provide(health), Layer.provide(ObservationHttp.layer)),
  Protocol.layerOf(routesOf(WorkerApi)),
)

/** Listens on WORKER_PORT. */
export const layer = Server.layerOf(routes, "WORKER_PORT")

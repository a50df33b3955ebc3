import { Effect, Layer } from "effect"
import { Api } from "./api/Api.ts"
import * as Docs from "./api/Docs.ts"
import * as Http from "./api/Http.ts"
import { routesOf } from "./http/Routes.ts"
import * as Protocol from "./http/Protocol.ts"
import * as Server from "./http/Server.ts"
import { Settings } from "./core/settings/Settings.ts"
import * as RpcHttp from "./rpc/RpcHttp.ts"

const protocol = Layer.unwrap(
  Effect.map(Settings, (settings) =>
    Protocol.layerOf(routesOf(Api, { GET: Docs.paths(settings), POST: RpcHttp.paths(settings) })),
  ),
)

/** All routes of the server: REST, its documentation, and RPC. */
export const routes = Layer.mergeAll(Http.layer, Docs.layer, RpcHttp.layer, protocol)

/** Serves the routes on `PORT`. */
export const layer = Server.layerOf(routes, "PORT").pipe(Layer.provide(Http.hotRoutes))

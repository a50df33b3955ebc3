import { Effect, Layer } from "effect"
import { Api } from "./api/Api.ts"
import * as Docs from "./api/Docs.ts"
import { endpointsOf } from "./api/hot/HotApi.ts"
import * as HotHttp from "./api/hot/HotHttp.ts"
import * as Http from "./api/Http.ts"
import { HotPath } from "./http/hot/HotPath.ts"
import { routesOf } from "./http/Routes.ts"
import * as Protocol from "./http/Protocol.ts"
import * as Server from "./http/Server.ts"
import { Settings } from "./core/settings/Settings.ts"
import * as HotCalls from "./rpc/HotCalls.ts"
import * as RpcHttp from "./rpc/RpcHttp.ts"

const protocol = Layer.unwrap(
  Effect.map(Settings, (settings) =>
    Protocol.layerOf(routesOf(Api, { GET: Docs.paths(settings), POST: RpcHttp.paths(settings) })),
  ),
)

/** All routes of the server: REST, its documentation, and RPC. */
export const routes = Layer.mergeAll(Http.layer, Docs.layer, RpcHttp.layer, protocol)

/** The routes that answer plain requests without the router. */
export const hotPath = Layer.effect(
  HotPath,
  Effect.map(Effect.all([HotHttp.routesOf(endpointsOf(Api)), HotCalls.routes]), (doors) =>
    doors.flat(),
  ),
).pipe(Layer.provide(Http.hotServices))

/** Serves the routes on `PORT` by the router alone. Gives the same responses as `layer`, more slowly. */
export const routerLayer = Server.layerOf(routes, "PORT")

/** Serves the routes on `PORT`. */
export const layer = routerLayer.pipe(Layer.provide(hotPath))

import { Context } from "effect"
import { FindMyWay } from "effect/http"
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { BodyPolicy } from "./Policies.ts"

/** Path matching rules, shared by the router and the table below, which must agree. */
export const routerConfig = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: 1024,
}

/** The routes of a server, by the URL of a request. */
export interface Routes {
  /** Lists the methods of a URL's path, in a fixed order, for `Allow` and preflights; empty for an unknown path. */
  readonly methodsOf: (url: string) => ReadonlyArray<string>
  /** The largest body of a route in bytes; null means BODY_LIMIT_BYTES, as for an unknown route. */
  readonly bodyLimitOf: (method: string, url: string) => number | null
  /** The smallest body limit that an endpoint declares, in bytes; infinite if none does. */
  readonly smallestBodyLimit: number
}

/** Returns the routes of a contract and those served in addition to it, by method. */
export const routesOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  extraRoutes: Partial<Record<"GET" | "POST", ReadonlyArray<FindMyWay.PathInput>>> = {},
): Routes => {
  const table = FindMyWay.make<{ readonly bodyLimit: number | null }>(routerConfig)
  let smallestBodyLimit = Infinity
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, mergedAnnotations }) => {
      const { maxBytes } = Context.get(mergedAnnotations, BodyPolicy)
      table.on(endpoint.method, endpoint.path as FindMyWay.PathInput, { bodyLimit: maxBytes })
      smallestBodyLimit = Math.min(smallestBodyLimit, maxBytes ?? Infinity)
    },
  })
  for (const method of ["GET", "POST"] as const) {
    for (const path of extraRoutes[method] ?? []) table.on(method, path, { bodyLimit: null })
  }

  return {
    methodsOf: (url) => {
      const allowed = ["GET", "POST", "PATCH", "DELETE"].filter(
        (method) => table.find(method, url) !== undefined,
      )
      return allowed.includes("GET") ? ["GET", "HEAD", ...allowed.slice(1)] : allowed
    },
    bodyLimitOf: (method, url) => table.find(method, url)?.handler.bodyLimit ?? null,
    smallestBodyLimit,
  }
}

import { FindMyWay } from "effect/http"
import { HttpApi, type HttpApiGroup } from "effect/http-api"

/** Path matching rules, shared by the router and the method table below, which must agree. */
export const routerConfig = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: 1024,
}

/**
 * Returns a function that lists the methods of a URL's path, in a fixed order, for `Allow` and preflights; empty for an
 * unknown path. Covers a contract and the routes served in addition to it, by method.
 */
export const methodsOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  extraRoutes: Partial<Record<"GET" | "POST", ReadonlyArray<FindMyWay.PathInput>>> = {},
) => {
  const table = FindMyWay.make<true>(routerConfig)
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) =>
      table.on(endpoint.method, endpoint.path as FindMyWay.PathInput, true),
  })
  for (const path of extraRoutes.GET ?? []) table.on("GET", path, true)
  for (const path of extraRoutes.POST ?? []) table.on("POST", path, true)

  return (url: string): ReadonlyArray<string> => {
    const allowed = ["GET", "POST", "PATCH", "DELETE"].filter(
      (method) => table.find(method, url) !== undefined,
    )
    return allowed.includes("GET") ? ["GET", "HEAD", ...allowed.slice(1)] : allowed
  }
}

import { FindMyWay } from "effect/http"
import { HttpApi } from "effect/http-api"
import { Api } from "./Api.ts"
import { docsPath, openApiPath } from "./Docs.ts"

/** What a path is, for the router and for the table here: these two must agree. */
export const routerConfig = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: 1024,
}

/** Every path under the methods it answers, for `Allow` and preflights: the contract, and the two documents. */
const table = FindMyWay.make<true>(routerConfig)

HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint }) =>
    table.on(endpoint.method, endpoint.path as FindMyWay.PathInput, true),
})
table.on("GET", openApiPath, true)
table.on("GET", docsPath, true)

/** The methods that the path of this URL answers, in a fixed order; none for an unknown path. */
export const methodsOf = (url: string): ReadonlyArray<string> => {
  const found = ["GET", "POST", "PATCH", "DELETE"].filter(
    (method) => table.find(method, url) !== undefined,
  )
  return found.includes("GET") ? ["GET", "HEAD", ...found.slice(1)] : found
}

import { FindMyWay } from "effect/http"
import { HttpApi } from "effect/http-api"
import type { Settings } from "../core/Settings.ts"
import { Api } from "./Api.ts"
import { docsPath, openApiPath } from "./Docs.ts"

/** What a path is, for the router and for the table here: these two must agree. */
export const routerConfig = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: 1024,
}

/**
 * The methods that the path of a URL answers, in a fixed order, for `Allow` and preflights; none for an unknown path.
 * Of the contract, and of the two documents where they are served.
 */
export const methodsWith = ({ docs }: Settings["Service"]) => {
  const table = FindMyWay.make<true>(routerConfig)
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) =>
      table.on(endpoint.method, endpoint.path as FindMyWay.PathInput, true),
  })
  if (docs) {
    table.on("GET", openApiPath, true)
    table.on("GET", docsPath, true)
  }

  return (url: string): ReadonlyArray<string> => {
    const found = ["GET", "POST", "PATCH", "DELETE"].filter(
      (method) => table.find(method, url) !== undefined,
    )
    return found.includes("GET") ? ["GET", "HEAD", ...found.slice(1)] : found
  }
}

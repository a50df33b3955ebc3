import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiSwagger, OpenApi } from "effect/http-api"
import { Settings } from "../core/Settings.ts"
import { Api } from "./Api.ts"

export const openApiPath = "/api/v1/openapi.json"
export const docsPath = "/docs"

/** The OpenAPI 3.1 document, made when it is first asked for. */
const openApi = HttpRouter.add(
  "GET",
  openApiPath,
  Effect.sync(() => HttpServerResponse.jsonUnsafe(OpenApi.fromApi(Api))),
)

/** Swagger UI with everything it needs inside. Off in production unless DOCS_ENABLED. */
export const layer = Layer.unwrap(
  Effect.map(Settings, ({ docs }) =>
    docs ? Layer.merge(openApi, HttpApiSwagger.layer(Api, { path: docsPath })) : Layer.empty,
  ),
)

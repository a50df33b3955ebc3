import { Effect, Layer, Scope } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiSwagger, OpenApi } from "effect/http-api"
import { Settings } from "../core/settings/Settings.ts"
import { Api } from "./Api.ts"
import { docsPath, openApiPath } from "../http/Exchange.ts"

/** The OpenAPI 3.1 document, generated on the first request. */
const openApi = HttpRouter.add(
  "GET",
  openApiPath,
  Effect.sync(() => HttpServerResponse.jsonUnsafe(OpenApi.fromApi(Api))),
)

/** Swagger UI as one self-contained page of 2 MB, loaded on the first request. */
const swagger = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const page = yield* Effect.cached(
      Scope.provide(
        HttpRouter.toHttpEffect(HttpApiSwagger.layer(Api, { path: docsPath })),
        yield* Effect.scope,
      ),
    )
    yield* router.add("GET", docsPath, Effect.flatten(page))
  }),
)

/** The paths of the documentation, if it is served. */
export const paths = ({ docs }: Settings["Service"]) =>
  docs ? ([openApiPath, docsPath] as const) : []

/** Serves the documentation; in production only with DOCS_ENABLED. */
export const layer = Layer.unwrap(
  Effect.map(Settings, ({ docs }) => (docs ? Layer.merge(openApi, swagger) : Layer.empty)),
)

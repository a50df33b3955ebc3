import { Effect, Layer, Scope } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiSwagger, OpenApi } from "effect/http-api"
import { Settings } from "../core/Settings.ts"
import { Api } from "./Api.ts"
import { docsPath, openApiPath } from "./Exchange.ts"

/** The OpenAPI 3.1 document, made when it is first asked for. */
const openApi = HttpRouter.add(
  "GET",
  openApiPath,
  Effect.sync(() => HttpServerResponse.jsonUnsafe(OpenApi.fromApi(Api))),
)

/** Swagger UI with everything it needs inside: 2 MB, loaded when it is first asked for. */
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

/** Where they are, if they are served. */
export const paths = ({ docs }: Settings["Service"]) =>
  docs ? ([openApiPath, docsPath] as const) : []

/** Off in production unless DOCS_ENABLED. */
export const layer = Layer.unwrap(
  Effect.map(Settings, ({ docs }) => (docs ? Layer.merge(openApi, swagger) : Layer.empty)),
)

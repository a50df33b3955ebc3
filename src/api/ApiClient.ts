import { Context, Effect, Layer, type Redacted } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./Api.ts"

/** A user's JWT, from the token issuer. */
export type Token = Redacted.Redacted | string

export interface Options {
  /** The service's origin, without a path: `https://api.example.com`. */
  readonly url: string
  /** A token, or an effect that returns one before each request; null while no user is signed in. */
  readonly token: Token | Effect.Effect<Token | null>
}

/** The endpoints of the HTTP contract, by group: `api.projects.list({ query: { limit: 5 } })`. */
export class PlinthApi extends Context.Service<PlinthApi, HttpApiClient.ForApi<typeof Api>>()(
  "plinth/api/ApiClient/PlinthApi",
) {
  /** Uses the `HttpClient` in context. */
  static readonly make = ({ token, url }: Options) =>
    HttpApiClient.make(Api, {
      baseUrl: url,
      transformClient: HttpClient.mapRequestEffect((request) =>
        Effect.map(Effect.isEffect(token) ? token : Effect.succeed(token), (current) =>
          current === null ? request : HttpClientRequest.bearerToken(request, current),
        ),
      ),
    })

  /** Uses `fetch`. */
  static readonly layer = (options: Options) =>
    this.layerHttp(options).pipe(Layer.provide(FetchHttpClient.layer))

  /** Uses the `HttpClient` in context. */
  static readonly layerHttp = (options: Options) => Layer.effect(this, this.make(options))
}

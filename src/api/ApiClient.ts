import { Context, Effect, Layer, type Redacted } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./Api.ts"

/** Of a user: what the issuer of tokens made for him. */
export type Token = Redacted.Redacted | string

export interface Options {
  /** Of the service, without a path: `https://api.example.com`. */
  readonly url: string
  /** Or how to get one, which is asked before each request; null while nobody is signed in. */
  readonly token: Token | Effect.Effect<Token | null>
}

/** The endpoints of the HTTP contract, by group: `api.projects.list({ query: { limit: 5 } })`. */
export class PlinthApi extends Context.Service<PlinthApi, HttpApiClient.ForApi<typeof Api>>()(
  "plinth/api/ApiClient/PlinthApi",
) {
  /** By the HTTP client that is given. */
  static readonly make = ({ token, url }: Options) =>
    HttpApiClient.make(Api, {
      baseUrl: url,
      transformClient: HttpClient.mapRequestEffect((request) =>
        Effect.map(Effect.isEffect(token) ? token : Effect.succeed(token), (current) =>
          current === null ? request : HttpClientRequest.bearerToken(request, current),
        ),
      ),
    })

  /** By `fetch`. */
  static readonly layer = (options: Options) =>
    this.layerHttp(options).pipe(Layer.provide(FetchHttpClient.layer))

  /** By the HTTP client that is given. */
  static readonly layerHttp = (options: Options) => Layer.effect(this, this.make(options))
}

import { Context, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { RpcClient, type RpcClientError, type RpcGroup, RpcSerialization } from "effect/rpc"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { Call, callerHeader, maxTimeoutMs, timeoutHeader } from "./Call.ts"
import { Deadline, monotonicMillis } from "./Deadline.ts"
import { Rpcs } from "./Rpcs.ts"

export interface Options {
  /** The service's origin, without a path: `http://plinth:8000`. */
  readonly url: string
  /** One of the tokens in the service's RPC_TOKEN. */
  readonly token: Redacted.Redacted | string
  /** The caller's name in the service's audit log and metrics: at most 64 lowercase letters, digits and hyphens. */
  readonly caller: string
}

export type Methods = RpcGroup.Rpcs<typeof Rpcs>

/**
 * The methods of the RPC contract: `rpc("users.get", { id })`. They fail with the errors of the contract, which are
 * classes of `plinth/domain`, and with `RpcClientError` when there is no response or it is not from Plinth.
 */
export class PlinthRpc extends Context.Service<
  PlinthRpc,
  RpcClient.RpcClient.Flat<Methods, RpcClientError.RpcClientError>
>()("plinth/rpc/RpcClient/PlinthRpc") {
  /** Calls over HTTP, with `fetch`. */
  static readonly layer = (options: Options) =>
    this.layerHttp(options).pipe(Layer.provide(FetchHttpClient.layer))

  /** Calls over HTTP, with the `HttpClient` in context. */
  static readonly layerHttp = (options: Options) =>
    Layer.effect(this, RpcClient.make(Rpcs, { flatten: true })).pipe(
      Layer.provide(
        Layer.effect(
          RpcClient.Protocol,
          Effect.flatMap(HttpClient.HttpClient, (client) =>
            RpcClient.makeProtocolHttp(rpcHttpClient(options, client)),
          ),
        ),
      ),
      Layer.provide(RpcSerialization.layerNdjson),
    )
}

/** Sends this id with every call of the effect. It appears in the service's logs and audit rows. */
export const withRequestId =
  (request_id: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.updateService(effect, RequestInfo, (info) => ({ ...info, request_id }))

const rpcHttpClient = ({ caller, token, url }: Options, client: HttpClient.HttpClient) =>
  client.pipe(
    HttpClient.mapRequestEffect(
      Effect.fnUntraced(function* (request) {
        const { request_id } = yield* RequestInfo
        const remainingMs = (yield* Deadline) - (yield* monotonicMillis)
        return request.pipe(
          HttpClientRequest.setUrl(new URL("/rpc", url)),
          HttpClientRequest.bearerToken(token),
          HttpClientRequest.setHeaders({
            [callerHeader]: caller,
            ...(request_id !== null && { "x-request-id": request_id }),
            ...(remainingMs <= maxTimeoutMs && {
              [timeoutHeader]: String(Math.max(1, Math.ceil(remainingMs))),
            }),
          }),
        )
      }),
    ),
    HttpClient.transformResponse(Effect.flatMap(withContractErrors)),
  )

/** Turns an error of the whole HTTP request into a failure of each call. Foreign responses remain HTTP errors. */
const withContractErrors = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
) {
  yield* Effect.annotateCurrentSpan("request_id", response.headers["x-request-id"])
  if (response.status === 200) return response
  const error = yield* Effect.option(Effect.flatMap(response.json, checkRefusal))
  if (Option.isNone(error)) return yield* HttpClientResponse.filterStatusOk(response)
  const exit = { _tag: "Failure", cause: [{ _tag: "Fail", error: error.value }] }
  const frames = requestIdsOf(response.request).map(
    (requestId) => `${JSON.stringify({ _tag: "Exit", requestId, exit })}\n`,
  )
  return HttpClientResponse.fromWeb(response.request, new Response(frames.join("")))
})

const decodeRefusal = Schema.decodeUnknownEffect(Call.error)

const checkRefusal = (json: unknown) => Effect.as(decodeRefusal(json), json)

const requestIdsOf = ({ body }: HttpClientRequest.HttpClientRequest): ReadonlyArray<unknown> =>
  body._tag === "Uint8Array"
    ? new TextDecoder()
        .decode(body.body)
        .split("\n")
        .flatMap((line) => (line === "" ? [] : [Object(JSON.parse(line)).id]))
    : []

import type { IncomingMessage, ServerResponse } from "node:http"
import { Context } from "effect"
import { FindMyWay } from "effect/http"
import type { NodeExchange } from "../BodyReaders.ts"
import type { RequestHead } from "../Exchange.ts"
import { routerConfig } from "../Routes.ts"

/**
 * The hot path answers plain requests to known endpoints without the router: one lookup, plain checks, one fiber, one
 * write. It leaves all other requests untouched, and the router answers them, so that nothing needs to be possible on
 * the hot path. Both give the same answers (`test/http/hot`).
 */

/** A request whose method and path belong to a route of the hot path. */
export interface HotRequest extends NodeExchange, RequestHead {
  /** The parameters in the path, decoded. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** The target from `?` on; empty without a query. */
  readonly search: string
  readonly searchParams: () => Readonly<Record<string, string | Array<string>>>
  /** Passes a request that was taken over, but neither counted nor answered, to the router. */
  readonly leaveToRouter: () => void
}

/** Answers a request of Node's server. */
export type Answer = (incoming: IncomingMessage, outgoing: ServerResponse) => void

export interface HotRoute {
  readonly method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE"
  readonly path: string
  /** Answers the request, or returns false and leaves it untouched. */
  readonly answer: (request: HotRequest) => boolean
}

/** The routes that `Server` tries before the router. None by default. */
export const HotPath = Context.Reference<ReadonlyArray<HotRoute>>("plinth/http/hot/HotPath", {
  defaultValue: () => [],
})

/** Returns a function that answers a request by one of the routes, or leaves it to the router. */
export const makeAnswer = (
  routes: ReadonlyArray<HotRoute>,
  answerByRouter: Answer,
  { TRUSTED_PROXIES: trustedProxies }: { readonly TRUSTED_PROXIES: number },
): Answer => {
  const table = FindMyWay.make<HotRoute>(routerConfig)
  /** The routes without parameters. */
  const exact = new Map<string, HotRoute>()
  for (const route of routes) {
    table.on(route.method, route.path as FindMyWay.PathInput, route)
    if (!route.path.includes(":")) exact.set(`${route.method} ${route.path}`, route)
  }

  const requestOf = (incoming: IncomingMessage, outgoing: ServerResponse): Matched | undefined => {
    const { method = "", url = "" } = incoming
    // The platform strips the host of an absolute target, which the table below would match too.
    if (!url.startsWith("/")) return undefined
    const end = url.search(/[?;#]/)
    if (end !== -1 && url[end] !== "?") return undefined
    const exactRoute = exact.get(`${method} ${end === -1 ? url : url.slice(0, end)}`)
    const find = () => table.find(method as HotRoute["method"], url)
    const found = exactRoute === undefined ? find() : undefined
    const route = exactRoute ?? found?.handler
    const headers = incoming.headers as RequestHead["headers"]
    if (route === undefined || !isPlain(headers)) return undefined
    // `Protocol` warns about it.
    if (trustedProxies === 0 && headers["x-forwarded-for"] !== undefined) return undefined
    const request: HotRequest = {
      incoming,
      outgoing,
      method,
      url,
      headers,
      params: found?.params ?? none,
      search: end === -1 ? "" : url.slice(end),
      searchParams: () => (found ?? find())?.searchParams ?? none,
      leaveToRouter: () => answerByRouter(incoming, outgoing),
    }
    return { route, request }
  }

  return (incoming, outgoing) => {
    const matched = requestOf(incoming, outgoing)
    if (matched === undefined || !matched.route.answer(matched.request)) {
      answerByRouter(incoming, outgoing)
    }
  }
}

interface Matched {
  readonly route: HotRoute
  readonly request: HotRequest
}

const none = {}

/** Tests that nothing in the head needs the edge: it refuses some of these headers, and others change the answer. */
const isPlain = (headers: RequestHead["headers"]) =>
  headers["host"] !== undefined &&
  headers["expect"] === undefined &&
  headers["transfer-encoding"] === undefined &&
  headers["upgrade"] === undefined &&
  headers["content-encoding"] === undefined

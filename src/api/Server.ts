import { createServer, type Server } from "node:http"
import type { Socket } from "node:net"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Data, Effect, Layer, Scope } from "effect"
import { HttpRouter } from "effect/http"
import { drain, Lifecycle } from "../core/Lifecycle.ts"
import { Settings } from "../core/Settings.ts"
import { currentSteadyMillis } from "../core/SteadyClock.ts"
import { routerConfig } from "./Methods.ts"
import { RawAnswers } from "./RawAnswers.ts"

/** The port could not be bound. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly port: number
  readonly cause: Error
}> {
  override get message() {
    const isTaken = "code" in this.cause && this.cause.code === "EADDRINUSE"
    const advice = isTaken ? ". Stop who listens there, or choose another" : ""
    return `cannot listen on port ${this.port}: ${this.cause.message}${advice}`
  }
}

/** Where the process listens; `port` is the bound one, also when it was told 0. */
export class Address extends Context.Service<Address, { readonly port: number }>()(
  "plinth/api/Server/Address",
) {}

/**
 * Listens and serves, on the port that this variable names. Everything is built and the handler attached before the port is bound, so a request is never
 * accepted that nobody answers: until then connections are refused.
 */
export const layerOf = <E, R>(routes: Layer.Layer<never, E, R>, variable: PortVariable) =>
  Layer.effect(Address, start(routes, variable)).pipe(
    Layer.provide(RawAnswers.layer),
    Layer.provide(NodeHttpServer.layerHttpServices),
  )

type PortVariable = "PORT" | "WORKER_PORT"

const start = Effect.fnUntraced(function* <E, R>(
  routes: Layer.Layer<never, E, R>,
  variable: PortVariable,
) {
  const settings = yield* Settings
  const lifecycle = yield* Lifecycle
  const rawAnswers = yield* RawAnswers
  const scope = yield* Scope.fork(yield* Effect.scope)
  const application = yield* Effect.provideService(
    HttpRouter.toHttpEffect(routes),
    HttpRouter.RouterConfig,
    routerConfig,
  )
  const making = NodeHttpServer.makeHandler(application, { scope })
  const handler = yield* Effect.updateContext(
    making,
    withoutServices<Effect.Services<typeof making>>,
  )

  const server = createServer(
    {
      // Refused by us, in the envelope, not by Node; so is an unknown Expect.
      requireHostHeader: false,
      keepAliveTimeout: 65_000,
      headersTimeout: 60_000,
      // Node would cut an upload that moves: `Bodies` cuts those that do not.
      requestTimeout: 0,
    },
    handler,
  )
  server.on("checkContinue", handler)
  server.on("checkExpectation", handler)
  server.on("clientError", rawAnswers.onClientError)
  server.on("connect", rawAnswers.onConnect)

  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })

  const port = yield* listen(server, settings.HOST, settings[variable])
  yield* Effect.addFinalizer(() => stop(server, sockets, settings, lifecycle))
  return { port }
})

/**
 * What a request starts with, and copies whenever something is added to it: so none of our services, which those
 * who use them have already.
 */
const withoutServices = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.makeUnsafe(
    new Map(Array.from(context.mapUnsafe).filter(([key]) => !key.startsWith("plinth/"))),
  )

const listen = (server: Server, host: string, port: number) =>
  Effect.callback<number, ListenError>((resume) => {
    const onError = (cause: Error) => resume(Effect.fail(new ListenError({ port, cause })))
    server.once("error", onError)
    server.listen({ host, port }, () => {
      server.off("error", onError)
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    })
  })

/** Seconds that a draining process goes on answering, for the load balancer to see its readiness fail. */
const drainDelaySeconds = 2

/**
 * Drains: readiness fails and every answer closes its connection, while still listening; then no new connections,
 * and what is in flight is finished within the grace; then whatever is left is cut. Where the drain began elsewhere,
 * it has been seen by now.
 */
const stop = Effect.fnUntraced(function* (
  server: Server,
  sockets: ReadonlySet<Socket>,
  settings: Settings["Service"],
  lifecycle: Lifecycle["Service"],
) {
  const grace = settings.SHUTDOWN_GRACE_SECONDS
  const isFirst = lifecycle.deadline === null
  const deadline = yield* drain
  if (isFirst && (settings.ENVIRONMENT !== "local" || sockets.size > 0)) {
    yield* Effect.sleep(`${Math.min(drainDelaySeconds, grace)} seconds`)
  }
  const closed = Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    // Browsers connect ahead of what they may never ask.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  })
  // An answer that began before the drain leaves its connection open.
  const idle = Effect.sync(() => server.closeIdleConnections()).pipe(
    Effect.delay("100 millis"),
    Effect.forever,
  )
  const left = isFirst ? grace * 1000 : deadline - (yield* currentSteadyMillis)
  yield* Effect.timeoutOption(Effect.race(closed, idle), Math.max(0, left))
  server.closeAllConnections()
})

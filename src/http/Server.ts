import { createServer, type Server } from "node:http"
import type { Socket } from "node:net"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Data, Effect, Layer, Scope } from "effect"
import { HttpRouter } from "effect/http"
import { drain, Lifecycle } from "../core/Lifecycle.ts"
import { Settings } from "../core/settings/Settings.ts"
import { currentSteadyMillis } from "../core/SteadyClock.ts"
import { makeAnswer, HotPath } from "./hot/HotPath.ts"
import { withoutPlinthServices } from "./RequestContext.ts"
import { routerConfig } from "./Routes.ts"
import { RawAnswers } from "./RawAnswers.ts"

/** The port could not be bound. */
class ListenError extends Data.TaggedError("ListenError")<{
  readonly port: number
  readonly cause: Error
}> {
  override get message() {
    const isTaken = "code" in this.cause && this.cause.code === "EADDRINUSE"
    const advice = isTaken ? ". Stop the process using it, or choose another port" : ""
    return `cannot listen on port ${this.port}: ${this.cause.message}${advice}`
  }
}

/** The address that the process listens on. `port` is the bound port, even when the setting is 0. */
export class Address extends Context.Service<Address, { readonly port: number }>()(
  "plinth/http/Server/Address",
) {}

/**
 * Serves the routes on the port of the given variable. The port is bound last, after all layers are built and the
 * handler is attached: until that moment connections are refused, so no accepted request stays unanswered.
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
  const makeHandler = NodeHttpServer.makeHandler(application, { scope })
  const answerByRouter = yield* Effect.updateContext(
    makeHandler,
    withoutPlinthServices<Effect.Services<typeof makeHandler>>,
  )
  const answer = makeAnswer(yield* HotPath, answerByRouter, settings)

  const server = createServer(
    {
      // `Protocol` refuses a missing Host and an unknown Expect itself, in the envelope.
      requireHostHeader: false,
      keepAliveTimeout: 65_000,
      headersTimeout: 60_000,
      // Node would abort uploads that make progress; `Bodies` aborts only stalled ones.
      requestTimeout: 0,
    },
    answer,
  )
  server.on("checkContinue", answerByRouter)
  server.on("checkExpectation", answerByRouter)
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

/** Seconds that a draining process keeps accepting requests, so that the load balancer sees its readiness fail. */
const drainDelaySeconds = 2

/**
 * Stops the server in three steps: while still listening, readiness fails and every response closes its connection;
 * then new connections are refused and requests in flight may finish within the grace period; then all remaining
 * connections are closed. Skips the first step if another part began the drain, since the load balancer has seen it by
 * now.
 */
const stop = Effect.fnUntraced(function* (
  server: Server,
  sockets: ReadonlySet<Socket>,
  settings: Settings["Service"],
  lifecycle: Lifecycle["Service"],
) {
  const graceSeconds = settings.SHUTDOWN_GRACE_SECONDS
  const isFirst = lifecycle.deadlineMs === null
  const deadlineMs = yield* drain
  if (isFirst && (settings.ENVIRONMENT !== "local" || sockets.size > 0)) {
    yield* Effect.sleep(`${Math.min(drainDelaySeconds, graceSeconds)} seconds`)
  }
  const closeServer = Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    // Browsers open connections in advance and may never use them.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  })
  // A response that began before the drain keeps its connection open.
  const closeIdleRepeatedly = Effect.sync(() => server.closeIdleConnections()).pipe(
    Effect.delay("100 millis"),
    Effect.forever,
  )
  const remainingMs = isFirst ? graceSeconds * 1000 : deadlineMs - (yield* currentSteadyMillis)
  yield* Effect.timeoutOption(
    Effect.race(closeServer, closeIdleRepeatedly),
    Math.max(0, remainingMs),
  )
  server.closeAllConnections()
  yield* destroyAll(sockets)
})

/** Destroys the sockets and waits until they are closed, which ends and records the requests that they carried. */
const destroyAll = (sockets: ReadonlySet<Socket>) =>
  Effect.callback<void>((resume) => {
    for (const socket of sockets) socket.destroy()
    const check = () => {
      if (sockets.size === 0) resume(Effect.void)
      else setImmediate(check)
    }
    setImmediate(check)
  })

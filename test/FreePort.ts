import { createServer, type Server } from "node:net"
import { Effect } from "effect"

const listening = Effect.callback<Server>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
})

const portOf = (server: Server) => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Returns a port that was free a moment ago. */
export const freePort = Effect.flatMap(listening, (server) =>
  Effect.callback<number>((resume) => {
    const port = portOf(server)
    server.close(() => resume(Effect.succeed(port)))
  }),
)

/** A port with a listener, until the scope closes. */
export const takenPort = Effect.map(
  Effect.acquireRelease(listening, (server) => Effect.sync(() => server.close())),
  portOf,
)

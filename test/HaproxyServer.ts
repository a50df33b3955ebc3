import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { get } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { freePort } from "./FreePort.ts"
import { sleep } from "./RedisServer.ts"

/**
 * Runs haproxy in front of servers on these ports, until the scope closes. It checks the readiness of each server five
 * times a second, and sends no request to one that is not ready. A request whose connection was refused goes to another
 * server; a request that was sent is never sent again.
 */
export const startHaproxy = (program: string, servers: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const [port, status] = [yield* freePort, yield* freePort]
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-haproxy-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
    )
    const config = join(directory, "haproxy.cfg")
    writeFileSync(config, configOf({ port, status, servers }))
    yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program, ["-db", "-f", config], { stdio: "ignore" })),
      (child) =>
        Effect.suspend(() => {
          child.kill("SIGKILL")
          return Effect.promise(() => once(child, "exit"))
        }),
    )
    return { port, untilAllAreReady: untilAllAreReady(status) }
  })

const untilAllAreReady = (status: number): Effect.Effect<void> =>
  Effect.callback<boolean>((resume) => {
    get({ port: status, host: "127.0.0.1", agent: false }, (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode === 200))
    }).on("error", () => resume(Effect.succeed(false)))
  }).pipe(
    Effect.flatMap((areReady) =>
      areReady
        ? Effect.void
        : Effect.andThen(
            sleep(50),
            Effect.suspend(() => untilAllAreReady(status)),
          ),
    ),
  )

interface Ports {
  readonly port: number
  /** Answers 200 when all servers are ready. */
  readonly status: number
  readonly servers: ReadonlyArray<number>
}

const configOf = ({ port, status, servers }: Ports) => `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  # Long enough for a busy server, which is slow but not down.
  timeout check 5s
  option httpchk
  http-check send meth GET uri /api/v1/public/health/ready ver HTTP/1.1 hdr Host localhost
  http-check expect status 200
  retries 3
  retry-on conn-failure
  option redispatch 1
  default-server check inter 200ms fall 1 rise 1
frontend in
  bind 127.0.0.1:${port}
  default_backend plinth
frontend status
  bind 127.0.0.1:${status}
  monitor-uri /
  monitor fail if { nbsrv(plinth) lt ${servers.length} }
backend plinth
  balance roundrobin
${servers.map((at, n) => `  server s${n} 127.0.0.1:${at}\n`).join("")}`

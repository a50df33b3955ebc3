import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { freePort } from "./FreePort.ts"

/**
 * haproxy before servers on these ports; answers with its own. It asks each for its readiness five times a
 * second, and sends nothing to one that is not ready. What could not be sent because nobody took the connection is
 * sent to another one; what was sent is never sent again.
 */
export const startHaproxy = (program: string, servers: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-haproxy-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
    )
    const config = join(directory, "haproxy.cfg")
    writeFileSync(config, configOf(port, servers))
    yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program, ["-db", "-f", config], { stdio: "ignore" })),
      (child) =>
        Effect.suspend(() => {
          child.kill("SIGKILL")
          return Effect.promise(() => once(child, "exit"))
        }),
    )
    return port
  })

const configOf = (port: number, servers: ReadonlyArray<number>) => `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  option httpchk
  http-check send meth GET uri /api/v1/public/health/ready hdr Host localhost
  http-check expect status 200
  retries 3
  retry-on conn-failure
  option redispatch 1
  default-server check inter 200ms fall 1 rise 1
frontend in
  bind 127.0.0.1:${port}
  default_backend plinth
backend plinth
  balance roundrobin
${servers.map((at, n) => `  server s${n} 127.0.0.1:${at}\n`).join("")}`

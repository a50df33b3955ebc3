// @effect-diagnostics asyncFunction:off -- what measures Effect is not written in it
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { setTimeout } from "node:timers/promises"
import { textOf } from "./Load.ts"

/** A server in a process of its own. Reads /proc, so Linux only. */
export interface Server {
  readonly name: string
  readonly port: number
  /** Milliseconds from its start to its first answer of any status. */
  readonly started: number
  /** CPU seconds so far. */
  readonly cpu: () => number
  /** Resident memory in MiB, now and at its highest since `forget`. */
  readonly memory: () => { readonly now: number; readonly peak: number }
  readonly forget: () => void
  readonly stop: () => Promise<void>
}

interface Options {
  readonly name: string
  readonly entry: string
  readonly env: Readonly<Record<string, string>>
}

const ticksPerSecond = 100

/** Its output goes to a file, as it would in production, so that the log is really written. */
export const start = async ({ name, entry, env }: Options): Promise<Server> => {
  const port = await freePort()
  const output = openSync("/dev/null", "w")
  const errors = `/tmp/plinth-bench-${name}-${port}.log`
  const begun = performance.now()
  const child = spawn(process.execPath, [entry], {
    env: { ...env, PORT: String(port) },
    stdio: ["ignore", output, openSync(errors, "w")],
  })
  await answered(child, port).catch((cause: unknown) => {
    throw new Error(`${name} did not start: ${readFileSync(errors, "utf8")}`, { cause })
  })
  const started = performance.now() - begun
  const proc = `/proc/${child.pid}`
  return {
    name,
    port,
    started,
    cpu: () => cpuOf(child.pid),
    memory: () => {
      const status = readFileSync(`${proc}/status`, "utf8")
      const mib = (field: string) =>
        Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
      return { now: mib("VmRSS"), peak: mib("VmHWM") }
    },
    forget: () => writeFileSync(`${proc}/clear_refs`, "5"),
    stop: async () => {
      const gone = once(child, "exit")
      child.kill("SIGTERM")
      const late = await Promise.race([gone.then(() => false), setTimeout(5000, true)])
      if (late) child.kill("SIGKILL")
      await gone
      rmSync(errors)
    },
  }
}

/** CPU seconds of a process so far. */
export const cpuOf = (pid: number | undefined) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

const answered = async (child: ChildProcess, port: number): Promise<void> => {
  if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
  if (await answers(port)) return
  await setTimeout(1)
  await answered(child, port)
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" })
    socket.on("error", () => resolve(false))
    socket.on("data", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("connect", () => socket.write(textOf("GET", "/api/v1/public/health")))
  })

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

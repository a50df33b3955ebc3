// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { setTimeout } from "node:timers/promises"
import { textOf } from "./Load.ts"

/** A server in its own process. Reads /proc, so Linux only. */
export interface Server {
  readonly name: string
  readonly port: number
  readonly pid: number
  /** Milliseconds from the start to the first answer of any status. */
  readonly started: number
  /** CPU seconds of all threads so far. */
  readonly cpu: () => number
  /** CPU seconds of the main thread so far, without garbage collection and I/O by other threads. */
  readonly mainThreadCpu: () => number
  /** Resident memory in MiB: current, and the peak since `resetPeak`. */
  readonly memory: () => { readonly now: number; readonly peak: number }
  readonly resetPeak: () => void
  readonly stop: () => Promise<void>
}

interface Options {
  readonly name: string
  readonly entry: string
  readonly env: Readonly<Record<string, string>>
}

/** Redirects the output to a file, as in production, so that the log is really written. */
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
    pid: child.pid ?? 0,
    started,
    cpu: () => cpuOf(child.pid),
    mainThreadCpu: () => threadCpuOf(`${proc}/task/${child.pid}`),
    memory: () => {
      const status = readFileSync(`${proc}/status`, "utf8")
      const mib = (field: string) =>
        Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
      return { now: mib("VmRSS"), peak: mib("VmHWM") }
    },
    resetPeak: () => writeFileSync(`${proc}/clear_refs`, "5"),
    stop: async () => {
      const exited = once(child, "exit")
      child.kill("SIGTERM")
      const late = await Promise.race([exited.then(() => false), setTimeout(5000, true)])
      if (late) child.kill("SIGKILL")
      await exited
      rmSync(errors)
    },
  }
}

/** Returns the CPU seconds of all threads of a process so far. */
export const cpuOf = (pid: number | undefined) =>
  readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) => sum + threadCpuOf(`/proc/${pid}/task/${thread}`),
    0,
  )

/** Reads nanoseconds; `stat` would count in ticks of 10 ms. */
const threadCpuOf = (directory: string) =>
  Number(readFileSync(`${directory}/schedstat`, "utf8").split(" ")[0]) / 1e9

const answered = async (child: ChildProcess, port: number): Promise<void> => {
  if (child.exitCode !== null) throw new Error(`exited with ${child.exitCode}`)
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

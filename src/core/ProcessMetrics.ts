import { readdirSync, readFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Effect } from "effect"
import { version } from "../domain/Version.ts"
import type { Settings } from "./Settings.ts"

type Record = (value: number, ...labels: ReadonlyArray<string>) => void
type Define = (name: string, description: string, ...labels: ReadonlyArray<string>) => Record

/** What the process uses, read when it is scraped. */
export const make = Effect.fnUntraced(function* (options: {
  readonly counter: Define
  readonly gauge: Define
  readonly settings: Settings["Service"]
}) {
  const { counter, gauge, settings } = options
  const memory = gauge("process_memory_bytes", "Memory of the process by kind.", "type")
  const cpu = counter("process_cpu_seconds_total", "CPU time of the process.", "mode")
  const files = gauge("process_open_fds", "Open file descriptors.")
  const lag = gauge("event_loop_lag_seconds", "Mean delay of the event loop since the last scrape.")
  const uptime = gauge("app_uptime_seconds", "Time since the process started.")
  const info = gauge("app_info", "The build that runs.", "name", "version", "environment")

  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution: resolution })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable()),
  )
  let user = 0
  let system = 0

  return () => {
    for (const [type, bytes] of Object.entries(memoryOf())) memory(bytes, type)
    const now = process.cpuUsage()
    cpu((now.user - user) / 1e6, "user")
    cpu((now.system - system) / 1e6, "system")
    user = now.user
    system = now.system
    const open = openFiles()
    if (open !== undefined) files(open)
    const mean = delay.count === 0 ? 0 : delay.mean / 1e9 - resolution / 1000
    lag(Math.max(0, mean))
    delay.reset()
    uptime(process.uptime())
    info(1, settings.PROJECT_NAME, version, settings.ENVIRONMENT)
  }
})

/** How often the event loop is asked, in ms: what it is late by is its lag. */
const resolution = 20

/** Pages of /proc/self/statm are 4 KiB on every Linux that Node runs on, but for arm64 with large pages. */
const memoryOf = (): { readonly [type: string]: number } => {
  try {
    const [vms = 0, , shared = 0] = readFileSync("/proc/self/statm", "utf8").split(" ").map(Number)
    return { rss: process.memoryUsage.rss(), vms: vms * 4096, shared: shared * 4096 }
  } catch {
    return { rss: process.memoryUsage.rss() }
  }
}

const openFiles = () => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return undefined
  }
}

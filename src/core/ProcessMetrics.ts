import { readdirSync, readFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Effect } from "effect"
import { version } from "../domain/Version.ts"
import type { Define } from "./MetricFamilies.ts"
import type { Settings } from "./Settings.ts"

/** What the process uses, read when it is scraped. */
export const make = Effect.fnUntraced(function* (options: {
  readonly counter: Define
  readonly gauge: Define
  readonly settings: Settings["Service"]
}) {
  const { counter, gauge, settings } = options
  const memory = gauge("process_memory_bytes", "Memory of the process by kind.")
  const cpu = counter("process_cpu_seconds_total", "CPU time of the process.")
  const files = gauge("process_open_fds", "Open file descriptors.")({})
  const lag = gauge(
    "event_loop_lag_seconds",
    "Mean delay of the event loop since the last scrape.",
  )({})
  const uptime = gauge("app_uptime_seconds", "Time since the process started.")({})
  const info = gauge(
    "app_info",
    "The build that runs.",
  )({
    name: settings.PROJECT_NAME,
    version,
    environment: settings.ENVIRONMENT,
  })

  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable()),
  )
  let user = 0
  let system = 0

  return () => {
    for (const [type, bytes] of Object.entries(memoryOf())) memory({ type })(bytes)
    const used = process.cpuUsage()
    cpu({ mode: "user" })((used.user - user) / 1e6)
    cpu({ mode: "system" })((used.system - system) / 1e6)
    user = used.user
    system = used.system
    const open = openFiles()
    if (open !== undefined) files(open)
    lag(delay.count === 0 ? 0 : Math.max(0, delay.mean / 1e9 - resolution / 1000))
    delay.reset()
    uptime(process.uptime())
    info(1)
  }
})

/** How often the event loop is asked, in ms: what it is late by is its lag. More often, it would be most of what an idle process does. */
const resolution = 100

/** Beside `rss` only where there is procfs. */
const memoryOf = (): Readonly<Record<string, number>> => {
  const rss = process.memoryUsage.rss()
  try {
    const text = readFileSync("/proc/self/status", "utf8")
    const kilobytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1])
    const shared = kilobytes("RssFile") + kilobytes("RssShmem")
    return { rss, vms: kilobytes("VmSize") * 1024, shared: shared * 1024 }
  } catch {
    return { rss }
  }
}

/** One of them is the directory's own. */
const openFiles = () => {
  try {
    return readdirSync("/proc/self/fd").length - 1
  } catch {
    return undefined
  }
}

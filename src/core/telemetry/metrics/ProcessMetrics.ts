import { readdirSync, readFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Effect } from "effect"
import { version } from "../../../domain/Version.ts"
import { Settings } from "../../settings/Settings.ts"
import type { Registry } from "./Registry.ts"

/** Samples the resource usage of the process at each scrape. */
export const make = Effect.fnUntraced(function* ({ beforeScrape, counter, gauge }: Registry) {
  const settings = yield* Settings
  const memory = gauge("process_memory_bytes", "Process memory by type.")
  const cpu = counter("process_cpu_seconds_total", "Process CPU time by mode.")
  const openFds = gauge("process_open_fds", "Open file descriptors.")({})
  const lag = gauge("event_loop_lag_seconds", "Mean event loop delay since the last scrape.")({})
  const uptime = gauge("app_uptime_seconds", "Time since the process started.")({})
  const info = gauge(
    "app_info",
    "Build information.",
  )({
    name: settings.PROJECT_NAME,
    version,
    environment: settings.ENVIRONMENT,
  })

  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable()),
  )
  let lastUserMicros = 0
  let lastSystemMicros = 0

  beforeScrape(() => {
    for (const [type, bytes] of Object.entries(memoryOf())) memory({ type })(bytes)
    const used = process.cpuUsage()
    cpu({ mode: "user" })((used.user - lastUserMicros) / 1e6)
    cpu({ mode: "system" })((used.system - lastSystemMicros) / 1e6)
    lastUserMicros = used.user
    lastSystemMicros = used.system
    const openFiles = countOpenFiles()
    if (openFiles !== undefined) openFds(openFiles)
    lag(delay.count === 0 ? 0 : Math.max(0, delay.mean / 1e9 - resolutionMs / 1000))
    delay.reset()
    uptime(process.uptime())
    info(1)
  })
})

/**
 * The sampling interval of the event loop; the lag is the delay beyond it. A shorter interval would dominate the CPU
 * time of an idle process.
 */
const resolutionMs = 100

/** Returns bytes by type. Types other than `rss` need procfs. */
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

/** Returns the number of open files, without the one that reads the directory. Undefined without procfs. */
const countOpenFiles = () => {
  try {
    return readdirSync("/proc/self/fd").length - 1
  } catch {
    return undefined
  }
}

// @effect-diagnostics processEnv:off -- loaded into servers that are measured
import { renameSync, writeFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Collects garbage at SIGUSR2, and then writes the bytes of the heap to the file HEAP_FILE. */

const file = process.env["HEAP_FILE"] ?? ""
setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

process.on("SIGUSR2", () => {
  if (typeof collect === "function") collect()
  writeFileSync(`${file}.part`, String(process.memoryUsage().heapUsed))
  renameSync(`${file}.part`, file)
})

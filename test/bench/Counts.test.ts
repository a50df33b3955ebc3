import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

/**
 * Unlike times, these counts are the same on every machine with the same Node: a request that
 * exceeds its record has become slower. If you make one cheaper, or have a reason for a higher
 * cost, update `recorded.json`.
 */

type Counts = Readonly<
  Record<"list" | "create" | "rpcList", { readonly steps: number; readonly bytes: number }>
>

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

const recorded = JSON.parse(readFileSync(here("recorded.json"), "utf8")) as Counts

/** Node versions allocate differently. */
const measured = process.versions.node.startsWith("24.")

const count = () => {
  const output = execFileSync(
    process.execPath,
    ["--expose-gc", "--min-semi-space-size=256", "--max-semi-space-size=256", here("Counts.ts")],
    { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
  )
  const line = output.split("\n").find((text) => text.startsWith("counts "))
  return JSON.parse(line?.slice("counts ".length) ?? "{}") as Counts
}

test.runIf(measured)(
  "a request needs no more steps and heap than recorded",
  () => {
    const counted = count()
    for (const work of ["list", "create", "rpcList"] as const) {
      expect(counted[work].steps, `steps of ${work}`).toBeLessThanOrEqual(recorded[work].steps)
      expect(counted[work].bytes, `bytes of ${work}`).toBeLessThanOrEqual(
        recorded[work].bytes * 1.03,
      )
    }
    // Bounds that no reason lifts: a list within 12 steps and 52 kB, a create within 18 and 36 kB.
    expect(recorded.list.steps).toBeLessThanOrEqual(12)
    expect(recorded.list.bytes).toBeLessThanOrEqual(52_000)
    expect(recorded.create.steps).toBeLessThanOrEqual(18)
    expect(recorded.create.bytes).toBeLessThanOrEqual(36_000)
  },
  180_000,
)

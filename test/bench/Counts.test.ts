import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

/**
 * Other than times, these are the same on every machine of one Node: a request that costs more than what is recorded
 * has become slower. Whoever makes one cheaper, or has a reason, writes the new figures into `recorded.json`.
 */

type Counts = Readonly<
  Record<"list" | "create" | "rpcList", { readonly steps: number; readonly bytes: number }>
>

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

const recorded = JSON.parse(readFileSync(here("recorded.json"), "utf8")) as Counts

/** What one Node allocates, another may not. */
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
  "a request costs no more steps and heap than is recorded",
  () => {
    const counted = count()
    for (const work of ["list", "create", "rpcList"] as const) {
      expect(counted[work].steps, `steps of ${work}`).toBeLessThanOrEqual(recorded[work].steps)
      expect(counted[work].bytes, `bytes of ${work}`).toBeLessThanOrEqual(
        recorded[work].bytes * 1.03,
      )
    }
    expect(counted.list.steps).toBeLessThanOrEqual(75)
    // The same list, over RPC.
    expect(counted.rpcList.bytes).toBeLessThan(counted.list.bytes)
  },
  60_000,
)

import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { parse } from "yaml"
import { hasProgram, program } from "../Programs.ts"

const text = (file: string) => readFileSync(file, "utf8")

/** Every name that the server exports, with those that Prometheus makes of a histogram. */
const metricNames = () => {
  const files = readdirSync("src/core").map((name) => `src/core/${name}`)
  const declared = files.flatMap((file) =>
    Array.from(
      text(file).matchAll(/\b(counter|gauge|histogram)\(\s*"(\w+)"/g),
      ([, kind = "", name = ""]) => ({ kind, name }),
    ),
  )
  return new Set([
    "up",
    ...declared.map(({ name }) => name),
    ...declared
      .filter(({ kind }) => kind === "histogram")
      .flatMap(({ name }) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]),
  ])
}

/** The metrics in a PromQL expression: words with _ that are no functions, outside of labels. */
const metricsIn = (expression: string) =>
  expression
    .replaceAll(/\{.*?\}|\[.*?\]|"[^"]*"|\b(?:by|on|without)\s*\(.*?\)/g, " ")
    .match(/\b[a-z]+_\w+\b(?!\s*\()|\bup\b/g) ?? []

const expressionsOf = (value: unknown): ReadonlyArray<string> => {
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    key === "expr" && typeof inner === "string" ? [inner] : expressionsOf(inner),
  )
}

const dashboards = readdirSync("grafana/dashboards").map((name) => `grafana/dashboards/${name}`)

describe("What watches the servers", () => {
  it("asks for metrics that the server has", () => {
    const known = metricNames()
    assert.isAbove(known.size, 25)
    for (const file of ["grafana/alerts.yml", ...dashboards]) {
      const used = expressionsOf(parse(text(file))).flatMap(metricsIn)
      assert.isAbove(used.length, 10)
      assert.deepStrictEqual(
        used.filter((name) => !known.has(name)),
        [],
        file,
      )
    }
  })

  it.skipIf(!hasProgram("promtool"))(
    "is what promtool takes, and its alerts fire when they should",
    () => {
      const directory = mkdtempSync(join(tmpdir(), "plinth-rules-"))
      const asked = join(directory, "dashboards.yml")
      const rules = dashboards
        .flatMap((file) => expressionsOf(parse(text(file))))
        .map((expression, at) => ({
          record: `panel_${at}`,
          expr: expression.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"),
        }))
      // JSON is YAML.
      writeFileSync(asked, JSON.stringify({ groups: [{ name: "dashboards", rules }] }))
      // The file of the token is there only where it runs.
      const config = promtool("check", "config", "--syntax-only", "grafana/prometheus.yml")
      const checked = promtool("check", "rules", "grafana/alerts.yml", asked)
      const tested = promtool("test", "rules", "grafana/alerts.test.yml")
      rmSync(directory, { recursive: true })

      assert.deepStrictEqual([config, checked, tested], ["", "", ""])
    },
  )
})

/** What promtool says when it does not like what it sees. */
const promtool = (...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(program("promtool") ?? "", args, {
    encoding: "utf8",
  })
  return status === 0 ? "" : stdout + stderr
}

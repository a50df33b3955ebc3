import { spawnSync } from "node:child_process"
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { parse } from "yaml"
import { overview } from "../../grafana/Panels.ts"
import { hasProgram, program } from "../fixtures/servers/Programs.ts"

const text = (file: string) => readFileSync(file, "utf8")

/** The names of all metrics that the code registers, with the series that Prometheus derives from a histogram. */
const metricNames = () => {
  const declared = globSync("src/**/*.ts").flatMap((file) =>
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

/** The metrics in a PromQL expression: words with an underscore that are neither functions nor labels. */
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

/** The metrics that no code registers, of the expressions in a value. */
const unregistered = (value: unknown, known: ReadonlySet<string>) =>
  expressionsOf(value)
    .flatMap(metricsIn)
    .filter((name) => !known.has(name))

const decodePanels = Schema.decodeUnknownSync(
  Schema.Struct({
    panels: Schema.Array(
      Schema.Struct({
        id: Schema.Int,
        title: Schema.String,
        gridPos: Schema.Struct({ x: Schema.Int, y: Schema.Int, w: Schema.Int, h: Schema.Int }),
      }),
    ),
  }),
)

describe("Monitoring", () => {
  it("commits the dashboards that npm run dashboards writes", () => {
    const directory = mkdtempSync(join(tmpdir(), "plinth-dashboards-"))
    const { status, stderr } = spawnSync(process.execPath, ["scripts/Dashboards.ts", directory])
    assert.strictEqual(status, 0, String(stderr))
    const written = readdirSync(directory).map((name) => [name, text(join(directory, name))])
    const committed = readdirSync("grafana/dashboards").map((name) => [
      name,
      text(`grafana/dashboards/${name}`),
    ])
    rmSync(directory, { recursive: true })
    assert.deepStrictEqual(Object.fromEntries(written), Object.fromEntries(committed))
  })

  it("places panels side by side on a grid of 24 columns", () => {
    for (const file of dashboards) {
      const { panels } = decodePanels(parse(text(file)))
      assert.isAbove(panels.length, 10)
      assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length, file)
      const taken = new Map<string, string>()
      for (const { gridPos, title } of panels) {
        const { h, w, x, y } = gridPos
        assert.isAtMost(x + w, 24, `${title} does not fit beside the panels before it`)
        for (let row = y; row < y + h; row++) {
          for (let column = x; column < x + w; column++) {
            const place = `${column}, ${row}`
            assert.isUndefined(taken.get(place), `${title} overlaps ${taken.get(place)}`)
            taken.set(place, title)
          }
        }
      }
    }
  })

  it("queries only metrics that the code registers", () => {
    const known = metricNames()
    assert.isAbove(known.size, 25)
    assert.deepStrictEqual(
      overview.flatMap((panel) =>
        unregistered(panel, known).map((metric) => `${panel.title}: ${metric}`),
      ),
      [],
    )
    const planted = { expr: "sum by (le) (rate(nothing_like_it_bucket[5m])) > 0" }
    assert.deepStrictEqual(unregistered(planted, known), ["nothing_like_it_bucket"])
    for (const file of ["grafana/alerts.yml", ...dashboards]) {
      assert.isAbove(expressionsOf(parse(text(file))).flatMap(metricsIn).length, 10)
      assert.deepStrictEqual(unregistered(parse(text(file)), known), [], file)
    }
  })

  it.skipIf(!hasProgram("promtool"))(
    "has rules that promtool accepts and alerts that fire when they should",
    () => {
      const directory = mkdtempSync(join(tmpdir(), "plinth-rules-"))
      const panels = join(directory, "dashboards.yml")
      const rules = dashboards
        .flatMap((file) => expressionsOf(parse(text(file))))
        .map((expression, index) => ({
          record: `panel_${index}`,
          expr: expression.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"),
        }))
      // JSON is YAML.
      writeFileSync(panels, JSON.stringify({ groups: [{ name: "dashboards", rules }] }))
      // The token file exists only where Prometheus runs.
      const config = promtool("check", "config", "--syntax-only", "grafana/prometheus.yml")
      const checked = promtool("check", "rules", "grafana/alerts.yml", panels)
      const tested = promtool("test", "rules", "grafana/alerts.test.yml")
      rmSync(directory, { recursive: true })

      assert.deepStrictEqual([config, checked, tested], ["", "", ""])
    },
  )
})

/** Runs promtool. Returns its output if it failed, else an empty text. */
const promtool = (...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(program("promtool") ?? "", args, {
    encoding: "utf8",
  })
  return status === 0 ? "" : stdout + stderr
}

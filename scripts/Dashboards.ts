// oxlint-disable unicorn/no-array-sort -- the sort of these builders sets an option
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import * as common from "@grafana/grafana-foundation-sdk/common"
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard"
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus"
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat"
import { PanelBuilder as TableBuilder } from "@grafana/grafana-foundation-sdk/table"
import { PanelBuilder as GraphBuilder } from "@grafana/grafana-foundation-sdk/timeseries"
import type { Panel, Thresholds } from "../grafana/Panel.ts"
import { overview } from "../grafana/Panels.ts"
import type { Query } from "../grafana/Queries.ts"

/** Writes the dashboards of `grafana/Panels.ts` as JSON for Grafana, to `grafana/dashboards` or the folder given. */

const [folder = "grafana/dashboards"] = process.argv.slice(2)

/** The data source that `grafana/provisioning/datasources/prometheus.yml` provisions. */
const datasource = { type: "prometheus", uid: "prometheus" }

const instances = new dashboard.QueryVariableBuilder("instance")
  .label("Instance")
  .datasource(datasource)
  .query({ query: 'label_values(up{job=~"plinth|plinth-worker"}, instance)', refId: "A" })
  .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
  .sort(dashboard.VariableSort.AlphabeticalAsc)
  .multi(true)
  .includeAll(true)
  .allValue(".*")
  .current({ text: ["All"], value: ["$__all"] })

/**
 * Builds a dashboard in the format of Grafana 12, which docker-compose runs. The SDK prefers `dashboardv2`, which is
 * experimental there.
 */
const dashboardOf = (uid: string, title: string, panels: ReadonlyArray<Panel>) => {
  const built = new dashboard.DashboardBuilder(title)
    .uid(uid)
    .tags(["plinth"])
    .timezone("utc")
    .version(1)
    .refresh("30s")
    .time({ from: "now-1h", to: "now" })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .withVariable(instances)
    .annotations([])
  let section = ""
  for (const panel of panels) {
    if (panel.kind === "row") section = panel.title
    // Derived from the title, so that links to a panel survive new panels above it.
    const id = crc32(`${section}/${panel.title}`) % 1_000_000
    if (panel.kind === "row") built.withRow(new dashboard.RowBuilder(panel.title).id(id))
    else built.withPanel(builderOf(panel).id(id).title(panel.title).datasource(datasource))
  }
  return built.build()
}

const builderOf = (panel: Exclude<Panel, { readonly kind: "row" }>) => {
  switch (panel.kind) {
    case "stat":
      return statOf(panel)
    case "graph":
      return graphOf(panel)
    case "table":
      return new TableBuilder()
        .span(24)
        .height(6)
        .withTarget(targetOf(panel.query).format(prometheus.PromQueryFormat.Table).instant())
        .withTransformation({
          id: "organize",
          options: { excludeByName: { Time: true, Value: true } },
        })
  }
}

const statOf = (panel: Extract<Panel, { readonly kind: "stat" }>) => {
  const built = new StatBuilder()
    .span(panel.width)
    .height(4)
    .unit(panel.unit)
    .noValue("0")
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.Area)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
    .thresholds(thresholdsOf(panel.thresholds ?? { green: null }))
    .withTarget(targetOf(panel.query))
  return panel.description === undefined ? built : built.description(panel.description)
}

const graphOf = (panel: Extract<Panel, { readonly kind: "graph" }>) => {
  const built = new GraphBuilder()
    .span(panel.width)
    .height(8)
    .unit(panel.unit)
    .min(0)
    .lineWidth(1)
    .fillOpacity(panel.stacked === true ? 15 : 5)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    )
    .targets(panel.queries.map(targetOf))
  if (panel.max !== undefined) built.max(panel.max)
  if (panel.stacked === true) {
    built.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"))
  }
  return panel.description === undefined ? built : built.description(panel.description)
}

const targetOf = ({ expr, legend = "" }: Query, position = 0) =>
  new prometheus.DataqueryBuilder()
    .refId(String.fromCodePoint("A".charCodeAt(0) + position))
    .datasource(datasource)
    .expr(expr)
    .legendFormat(legend)

const thresholdsOf = (thresholds: Thresholds) =>
  new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps(Object.entries(thresholds).map(([color, value]) => ({ color, value })))

for (const { name, panels, title } of [{ name: "overview", title: "Plinth", panels: overview }]) {
  const built = dashboardOf(`plinth-${name}`, title, panels)
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(built, null, 2)}\n`)
}

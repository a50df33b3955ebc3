import { Layer } from "effect"
import { Settings } from "../../../core/settings/Settings.ts"
import * as Logger from "../../../core/telemetry/Logger.ts"
import { Metrics } from "../../../core/telemetry/Metrics.ts"

/** Provides what a probed layer needs. Logs to stderr, because the findings are on stdout. */
export const probeLayer = <A, E>(
  settings: Settings["Service"],
  layer: Layer.Layer<A, E, Settings | Metrics>,
) =>
  layer.pipe(
    Layer.provideMerge(Layer.merge(Metrics.layer, Logger.layerStderr)),
    Layer.provide(Layer.succeed(Settings, settings)),
  )

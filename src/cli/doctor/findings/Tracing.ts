import type { Settings } from "../../../core/settings/Settings.ts"
import { ok, warning } from "../Finding.ts"

type Values = Settings["Service"]

export const finding = ({ OTEL_ENABLED, OTEL_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT }: Values) => {
  if (!OTEL_ENABLED) return ok("Tracing", "off", "OTEL_ENABLED is not set")
  const base = ok("Tracing", OTEL_EXPORTER, "OTEL_ENABLED, OTEL_EXPORTER")
  return OTEL_EXPORTER === "otlp" && OTEL_EXPORTER_OTLP_ENDPOINT?.endsWith(":4317")
    ? warning(base, "OTEL_EXPORTER_OTLP_ENDPOINT has the gRPC port 4317: use 4318 for HTTP")
    : base
}

import { flag, fraction, line, oneOf, optional, url } from "./Variables.ts"

export const variables = () => ({
  OTEL_ENABLED: flag("OTEL_ENABLED", false),
  OTEL_EXPORTER: oneOf("OTEL_EXPORTER", ["otlp", "console", "none"], "otlp"),
  OTEL_SERVICE_NAME: optional(line("OTEL_SERVICE_NAME")),
  OTEL_EXPORTER_OTLP_ENDPOINT: url("OTEL_EXPORTER_OTLP_ENDPOINT"),
  OTEL_TRACES_SAMPLER_ARG: fraction("OTEL_TRACES_SAMPLER_ARG", 1),
})

import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { AuthenticationError } from "../../domain/Errors.ts"
import { Timestamp } from "../../domain/Fields.ts"
import { enveloped } from "../../http/Envelope.ts"

const Component = Schema.Struct({
  status: Schema.Literals(["healthy", "unhealthy", "not_configured"]),
  latency_ms: Schema.NullOr(Schema.Finite),
})

const readiness = <S extends Schema.Top>(status: S) =>
  Schema.Struct({
    status,
    timestamp: Timestamp,
    components: Schema.Struct({ database: Component, cache: Component, jobs: Component }),
  })

export const Ready = readiness(Schema.Literals(["healthy", "degraded"])).annotate({
  identifier: "Ready",
})
const NotReady = readiness(Schema.Literal("unhealthy")).annotate({ identifier: "NotReady" })

export class HealthApi extends HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("live", "/health", {
      success: Schema.Struct({ status: Schema.Literal("healthy"), timestamp: Timestamp }),
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Liveness",
        description:
          "Returns 200 while the process runs. Checks no dependency. Requests are neither logged nor counted.",
      }),
    ),
    HttpApiEndpoint.get("ready", "/health/ready", {
      success: [Ready, NotReady.pipe(HttpApiSchema.status(503))],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Readiness",
        description:
          "Returns 503 while the database is unreachable or the process is draining. `degraded` means that Redis is unreachable or that no process runs jobs; requests are still served.",
      }),
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain" })),
      error: enveloped(AuthenticationError),
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Prometheus metrics",
        description:
          "Prometheus text format 0.0.4. Requires `Authorization: Bearer METRICS_TOKEN` if that setting has a value, and always in production.",
      }),
    ),
  )
  .annotateMerge(OpenApi.annotations({ title: "Health", description: "Probes and metrics." })) {}

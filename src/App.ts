import { Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Ai from "./business/ai/Layer.ts"
import * as Audit from "./business/audit/Layer.ts"
import * as Emails from "./business/emails/Layer.ts"
import * as Idempotency from "./business/idempotency/Layer.ts"
import * as Operations from "./business/operations/Layer.ts"
import * as Plans from "./business/plans/Layer.ts"
import * as Privacy from "./business/privacy/Layer.ts"
import * as Projects from "./business/projects/Layer.ts"
import * as Usage from "./business/usage/Layer.ts"
import * as Users from "./business/users/Layer.ts"
import { Tokens } from "./core/identity/Tokens.ts"
import * as Jobs from "./core/jobs/Layer.ts"
import { Lifecycle } from "./core/Lifecycle.ts"
import { PubSub } from "./core/shared/PubSub.ts"
import { RateLimiter } from "./core/shared/RateLimiter.ts"
import { Redis } from "./core/shared/Redis.ts"
import { Database } from "./core/sql/Database.ts"
import { AccessLog } from "./core/telemetry/AccessLog.ts"
import { Metrics } from "./core/telemetry/Metrics.ts"
import { Tracing } from "./core/telemetry/Tracing.ts"
import * as Adapters from "./services/Adapters.ts"

const telemetry = Layer.mergeAll(Tracing.layer, Metrics.layer, Lifecycle.layer)

const core = Layer.mergeAll(
  Database.layer,
  Tokens.layer,
  AccessLog.layer,
  RateLimiter.layer,
  PubSub.layer,
).pipe(Layer.provideMerge(Redis.layer))

const features = Layer.mergeAll(
  Ai.layer,
  Emails.layer,
  Idempotency.layer,
  Operations.layer,
  Privacy.layer,
).pipe(
  Layer.provideMerge(Layer.mergeAll(Users.layer, Usage.layer)),
  Layer.provideMerge(Projects.layer),
  Layer.provideMerge(Layer.mergeAll(Audit.layer, Plans.layer)),
)

/**
 * The services of the application, without the HTTP and RPC routes (`Doors.ts`). Needs only `Settings`; each process
 * chooses where its log lines go. Each line depends only on the lines below it.
 */
export const layer = features.pipe(
  Layer.provideMerge(Jobs.layer),
  Layer.provideMerge(Adapters.email),
  Layer.provideMerge(Adapters.ai),
  Layer.provideMerge(core),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provideMerge(telemetry),
)

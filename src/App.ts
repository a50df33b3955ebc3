import { Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { AiGateway } from "./business/AiGateway.ts"
import { AiReservations } from "./business/AiReservations.ts"
import { AiReservationsRepo } from "./business/AiReservationsRepo.ts"
import { Audit } from "./business/Audit.ts"
import { AuditRepo } from "./business/AuditRepo.ts"
import { Claims } from "./business/Claims.ts"
import { Cleanup } from "./business/Cleanup.ts"
import { CleanupRepo } from "./business/CleanupRepo.ts"
import { Emails } from "./business/Emails.ts"
import { Entitlements } from "./business/Entitlements.ts"
import { EntitlementsRepo } from "./business/EntitlementsRepo.ts"
import { Exports } from "./business/Exports.ts"
import { ExportsRepo } from "./business/ExportsRepo.ts"
import { Idempotency } from "./business/Idempotency.ts"
import { IdempotencyRepo } from "./business/IdempotencyRepo.ts"
import { Jobs } from "./business/Jobs.ts"
import { Projects } from "./business/Projects.ts"
import { ProjectsRepo } from "./business/ProjectsRepo.ts"
import { Readiness } from "./business/Readiness.ts"
import { ReportRepo } from "./business/ReportRepo.ts"
import { RequestQuota } from "./business/RequestQuota.ts"
import { Usage } from "./business/Usage.ts"
import { UsageRepo } from "./business/UsageRepo.ts"
import { UsageReports } from "./business/UsageReports.ts"
import { UsageReportsRepo } from "./business/UsageReportsRepo.ts"
import { Users } from "./business/Users.ts"
import { UsersRepo } from "./business/UsersRepo.ts"
import { AccessLog } from "./core/telemetry/AccessLog.ts"
import { Database } from "./core/sql/Database.ts"
import { JobQueue } from "./core/jobs/Queue.ts"
import { JobSchedules } from "./core/jobs/Schedules.ts"
import * as JobStores from "./core/jobs/Stores.ts"
import { Leases } from "./core/sql/Leases.ts"
import { Lifecycle } from "./core/Lifecycle.ts"
import { Metrics } from "./core/telemetry/Metrics.ts"
import { PubSub } from "./core/shared/PubSub.ts"
import { RateLimiter } from "./core/shared/RateLimiter.ts"
import { Redis } from "./core/shared/Redis.ts"
import { Tokens } from "./core/identity/Tokens.ts"
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

const jobs = JobQueue.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(JobStores.layer, JobSchedules.layer, Leases.layer)),
)

const repos = Layer.mergeAll(
  UsersRepo.layer,
  ProjectsRepo.layer,
  AuditRepo.layer,
  IdempotencyRepo.layer,
  ExportsRepo.layer,
  CleanupRepo.layer,
  ReportRepo.layer,
  UsageRepo.layer,
  AiReservationsRepo.layer,
  EntitlementsRepo.layer,
  UsageReportsRepo.layer,
)

const business = Layer.mergeAll(
  Projects.layer,
  Readiness.layer,
  Emails.layer,
  Exports.layer,
  Cleanup.layer,
  Jobs.layer,
  AiGateway.layer,
  RequestQuota.layer,
  UsageReports.layer,
).pipe(
  Layer.provideMerge(
    Layer.mergeAll(Users.layer, Idempotency.layer, Claims.layer, AiReservations.layer),
  ),
  Layer.provideMerge(Layer.mergeAll(Audit.layer, Usage.layer, Entitlements.layer)),
)

/**
 * The application without its doors (HTTP and RPC), wired once. Needs only `Settings`; each process chooses where its
 * log lines go. Each line depends only on the lines below it.
 */
export const layer = business.pipe(
  Layer.provideMerge(repos),
  Layer.provideMerge(jobs),
  Layer.provideMerge(Adapters.email),
  Layer.provideMerge(Adapters.ai),
  Layer.provideMerge(core),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provideMerge(telemetry),
)

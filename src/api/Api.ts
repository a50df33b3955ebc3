import { HttpApi } from "effect/http-api"
import { AddressLimit } from "./AddressLimit.ts"
import { AdminJobsApi } from "./admin/AdminJobsApi.ts"
import { AdminUsageApi } from "./admin/AdminUsageApi.ts"
import { AdminUsersApi } from "./admin/AdminUsersApi.ts"
import { AiApi } from "./app/AiApi.ts"
import { ProjectsApi } from "./app/ProjectsApi.ts"
import { UsageApi } from "./app/UsageApi.ts"
import { UsersApi } from "./app/UsersApi.ts"
import { Authentication } from "./Authentication.ts"
import { documentation } from "./Documentation.ts"
import { Idempotency } from "./Idempotency.ts"
import { Input } from "./Input.ts"
import { Observation } from "./Observation.ts"
import { Policies, RequiredRole, unlimited } from "./Policies.ts"
import { Quota } from "./Quota.ts"
import { HealthApi } from "./public/HealthApi.ts"

// The last middleware is the outermost: observe > authenticate > policies > input > idempotency > handler.

/** Anyone, without a token: counted by address. */
class PublicApi extends HttpApi.make("public")
  .add(HealthApi.annotateEndpointsMerge(unlimited))
  .middleware(Input)
  .middleware(AddressLimit)
  .prefix("/public") {}

/** Any active user. A group added here cannot forget to authenticate. `Quota`: closed when the plan is spent. */
class AppApi extends HttpApi.make("app")
  .add(UsersApi, UsageApi, ProjectsApi.middleware(Quota), AiApi.middleware(Quota))
  .middleware(Idempotency)
  .middleware(Input)
  .middleware(Policies)
  .middleware(Authentication)
  .prefix("/app") {}

/** Admins and superadmins. */
class AdminApi extends HttpApi.make("admin")
  .add(
    AdminUsersApi.annotateEndpoints(RequiredRole, "admin"),
    AdminJobsApi.annotateEndpoints(RequiredRole, "admin"),
    AdminUsageApi.annotateEndpoints(RequiredRole, "admin"),
  )
  .middleware(Idempotency)
  .middleware(Input)
  .middleware(Policies)
  .middleware(Authentication)
  .prefix("/admin") {}

/** The whole HTTP contract. Imports nothing that runs, so clients and tests share it. */
export class Api extends HttpApi.make("api")
  .addHttpApi(PublicApi)
  .addHttpApi(AppApi)
  .addHttpApi(AdminApi)
  .middleware(Observation)
  .prefix("/api/v1")
  .annotate(HttpApi.ParseOptions, { errors: "all" })
  .annotateMerge(documentation) {}

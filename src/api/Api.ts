import { HttpApi } from "effect/http-api"
import { AdminJobsApi } from "./admin/AdminJobsApi.ts"
import { AdminUsageApi } from "./admin/AdminUsageApi.ts"
import { AdminUsersApi } from "./admin/AdminUsersApi.ts"
import { AiApi } from "./app/AiApi.ts"
import { ProjectsApi } from "./app/ProjectsApi.ts"
import { UsageApi } from "./app/UsageApi.ts"
import { UsersApi } from "./app/UsersApi.ts"
import { adminApi, appApi, publicApi } from "./Audiences.ts"
import { documentationOf } from "./documentation/Documentation.ts"
import { Observation } from "./middleware/Observation.ts"
import { exemptFromQuota, unlimited } from "../http/Policies.ts"
import { HealthApi } from "./public/HealthApi.ts"

class PublicApi extends publicApi(HealthApi.annotateMerge(unlimited)) {}

class AppApi extends appApi(
  UsersApi.annotateMerge(exemptFromQuota),
  UsageApi.annotateMerge(exemptFromQuota),
  ProjectsApi,
  AiApi,
) {}

class AdminApi extends adminApi(AdminUsersApi, AdminJobsApi, AdminUsageApi) {}

const contract = HttpApi.make("api")
  .addHttpApi(PublicApi)
  .addHttpApi(AppApi)
  .addHttpApi(AdminApi)
  .middleware(Observation)
  .prefix("/api/v1")
  .annotate(HttpApi.ParseOptions, { errors: "all" })

/** The whole HTTP contract. Imports no implementation, so clients and tests can share it. */
export class Api extends contract.annotateMerge(documentationOf(contract)) {}

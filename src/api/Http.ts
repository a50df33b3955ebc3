import { Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as AddressLimitHttp from "./middleware/AddressLimitHttp.ts"
import * as AdminJobsHttp from "./admin/AdminJobsHttp.ts"
import * as AdminUsageHttp from "./admin/AdminUsageHttp.ts"
import * as AdminUsersHttp from "./admin/AdminUsersHttp.ts"
import { Api } from "./Api.ts"
import * as AiHttp from "./app/AiHttp.ts"
import * as ProjectsHttp from "./app/ProjectsHttp.ts"
import * as UsageHttp from "./app/UsageHttp.ts"
import * as UsersHttp from "./app/UsersHttp.ts"
import * as AuthenticationHttp from "./middleware/AuthenticationHttp.ts"
import * as IdempotencyHttp from "./middleware/IdempotencyHttp.ts"
import * as InputHttp from "./middleware/InputHttp.ts"
import { Bodies } from "../http/Bodies.ts"
import { Limits } from "../http/Limits.ts"
import * as ObservationHttp from "./middleware/ObservationHttp.ts"
import * as PoliciesHttp from "./middleware/PoliciesHttp.ts"
import * as QuotaHttp from "./middleware/QuotaHttp.ts"
import * as HealthHttp from "./public/HealthHttp.ts"

const groups = Layer.mergeAll(
  HealthHttp.layer,
  UsersHttp.layer,
  ProjectsHttp.layer,
  AiHttp.layer,
  UsageHttp.layer,
  AdminUsersHttp.layer,
  AdminJobsHttp.layer,
  AdminUsageHttp.layer,
)

const middlewares = Layer.mergeAll(
  ObservationHttp.layer,
  AddressLimitHttp.layer,
  AuthenticationHttp.layer,
  PoliciesHttp.layer,
  QuotaHttp.layer,
  InputHttp.layer,
  IdempotencyHttp.layer,
).pipe(Layer.provide(Limits.layer))

/** The implementation of `Api`. */
export const layer = HttpApiBuilder.layer(Api).pipe(
  Layer.provide(groups),
  Layer.provide(middlewares),
)

/** The services of `hot/HotHttp.ts`, which calls the handlers without the router. */
export const hotServices = Layer.mergeAll(groups, Limits.layer, Bodies.layer).pipe(
  Layer.provide(middlewares),
)

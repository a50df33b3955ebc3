import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { AddressLimit } from "./middleware/AddressLimit.ts"
import { Authentication } from "./middleware/Authentication.ts"
import { Idempotency } from "./middleware/Idempotency.ts"
import { Input } from "./middleware/Input.ts"
import { Policies, RequiredRole } from "../http/Policies.ts"
import { Quota } from "./middleware/Quota.ts"

// The middlewares that every endpoint of an audience passes, whatever its group; exceptions are annotations
// (`Policies.ts`). The last middleware is the outermost:
// authenticate > policies > input > idempotency > quota > handler.

type Groups = readonly [HttpApiGroup.Constraint, ...ReadonlyArray<HttpApiGroup.Constraint>]

/** Endpoints for anyone, without a token; calls are limited by address. */
export const publicApi = <const All extends Groups>(...groups: All) =>
  HttpApi.make("public")
    .add(...groups)
    .middleware(Input)
    .middleware(AddressLimit)
    .prefix("/public")

/** Endpoints for active users whose plan has requests left. */
export const appApi = <const All extends Groups>(...groups: All) =>
  HttpApi.make("app")
    .add(...groups)
    .middleware(Quota)
    .middleware(Idempotency)
    .middleware(Input)
    .middleware(Policies)
    .middleware(Authentication)
    .prefix("/app")

/** Endpoints for admins and superadmins. */
export const adminApi = <const All extends Groups>(...groups: All) =>
  HttpApi.make("admin")
    .add(...groups)
    .middleware(Idempotency)
    .middleware(Input)
    .middleware(Policies)
    .middleware(Authentication)
    .annotate(RequiredRole, "admin")
    .prefix("/admin")

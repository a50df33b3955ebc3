import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { AddressLimit } from "./AddressLimit.ts"
import { Authentication } from "./Authentication.ts"
import { Idempotency } from "./Idempotency.ts"
import { Input } from "./Input.ts"
import { Policies, RequiredRole } from "./Policies.ts"
import { Quota } from "./Quota.ts"

// What every endpoint of an audience goes through, whatever its group says; exceptions are annotations (`Policies.ts`).
// The last middleware is the outermost: authenticate > policies > input > idempotency > quota > handler.

type Groups = readonly [HttpApiGroup.Constraint, ...ReadonlyArray<HttpApiGroup.Constraint>]

/** Anyone, without a token: counted by address. */
export const publicApi = <const All extends Groups>(...groups: All) =>
  HttpApi.make("public")
    .add(...groups)
    .middleware(Input)
    .middleware(AddressLimit)
    .prefix("/public")

/** Any active user whose plan has requests left. */
export const appApi = <const All extends Groups>(...groups: All) =>
  HttpApi.make("app")
    .add(...groups)
    .middleware(Quota)
    .middleware(Idempotency)
    .middleware(Input)
    .middleware(Policies)
    .middleware(Authentication)
    .prefix("/app")

/** Admins and superadmins. */
export const adminApi = <const All extends Groups>(...groups: All) =>
  HttpApi.make("admin")
    .add(...groups)
    .middleware(Idempotency)
    .middleware(Input)
    .middleware(Policies)
    .middleware(Authentication)
    .annotate(RequiredRole, "admin")
    .prefix("/admin")

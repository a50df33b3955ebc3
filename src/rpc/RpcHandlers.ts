import { Effect } from "effect"
import * as AiHandlers from "./ai/AiHandlers.ts"
import * as EmailHandlers from "./email/EmailHandlers.ts"
import * as EntitlementsHandlers from "./entitlements/EntitlementsHandlers.ts"
import * as JobsHandlers from "./jobs/JobsHandlers.ts"
import * as ProjectsHandlers from "./projects/ProjectsHandlers.ts"
import { Rpcs } from "./Rpcs.ts"
import * as UsageHandlers from "./usage/UsageHandlers.ts"
import * as UsersHandlers from "./users/UsersHandlers.ts"

/** The handlers of `Rpcs`, which use the same services as REST. */
export const make = Effect.gen(function* () {
  return Rpcs.of({
    ...(yield* UsersHandlers.make),
    ...(yield* ProjectsHandlers.make),
    ...(yield* UsageHandlers.make),
    ...(yield* EntitlementsHandlers.make),
    ...(yield* JobsHandlers.make),
    ...(yield* EmailHandlers.make),
    ...(yield* AiHandlers.make),
  })
})

export const layer = Rpcs.toLayer(make)

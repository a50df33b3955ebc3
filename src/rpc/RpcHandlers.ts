import { Layer } from "effect"
import * as AiHandlers from "./AiHandlers.ts"
import * as Calls from "./Calls.ts"
import * as EmailHandlers from "./EmailHandlers.ts"
import * as EntitlementsHandlers from "./EntitlementsHandlers.ts"
import * as JobsHandlers from "./JobsHandlers.ts"
import * as ProjectsHandlers from "./ProjectsHandlers.ts"
import * as UsageHandlers from "./UsageHandlers.ts"
import * as UsersHandlers from "./UsersHandlers.ts"

/** What answers the methods of `Rpcs`, by the same services as REST. */
export const layer = Layer.mergeAll(
  UsersHandlers.layer,
  ProjectsHandlers.layer,
  UsageHandlers.layer,
  EntitlementsHandlers.layer,
  JobsHandlers.layer,
  EmailHandlers.layer,
  AiHandlers.layer,
  Calls.layer,
)

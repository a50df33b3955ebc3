import { AiRpcs } from "./ai/AiRpcs.ts"
import { Call } from "./Call.ts"
import { EmailRpcs } from "./email/EmailRpcs.ts"
import { EntitlementsRpcs } from "./entitlements/EntitlementsRpcs.ts"
import { JobsRpcs } from "./jobs/JobsRpcs.ts"
import { ProjectsRpcs } from "./projects/ProjectsRpcs.ts"
import { UsageRpcs } from "./usage/UsageRpcs.ts"
import { UsersRpcs } from "./users/UsersRpcs.ts"

/**
 * The whole contract for internal services, at `/rpc`. Imports no implementation, so that services can share it. A
 * caller with RPC_TOKEN acts as an operator: the user that a method is about is part of its input.
 */
export class Rpcs extends UsersRpcs.merge(
  ProjectsRpcs,
  UsageRpcs,
  EntitlementsRpcs,
  JobsRpcs,
  EmailRpcs,
  AiRpcs,
).middleware(Call) {}

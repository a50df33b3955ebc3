import { AiRpcs } from "./AiRpcs.ts"
import { Call } from "./Call.ts"
import { EmailRpcs } from "./EmailRpcs.ts"
import { EntitlementsRpcs } from "./EntitlementsRpcs.ts"
import { JobsRpcs } from "./JobsRpcs.ts"
import { ProjectsRpcs } from "./ProjectsRpcs.ts"
import { UsageRpcs } from "./UsageRpcs.ts"
import { UsersRpcs } from "./UsersRpcs.ts"

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

import { AiRpcs } from "./AiRpcs.ts"
import { Call } from "./Call.ts"
import { EmailRpcs } from "./EmailRpcs.ts"
import { EntitlementsRpcs } from "./EntitlementsRpcs.ts"
import { JobsRpcs } from "./JobsRpcs.ts"
import { ProjectsRpcs } from "./ProjectsRpcs.ts"
import { UsageRpcs } from "./UsageRpcs.ts"
import { UsersRpcs } from "./UsersRpcs.ts"

/**
 * The whole contract for internal services, at `/rpc`. Imports nothing that runs, so that they share it. Who has
 * RPC_TOKEN acts as an operator does: the user that a method speaks of is part of what it takes.
 */
export class Rpcs extends UsersRpcs.merge(
  ProjectsRpcs,
  UsageRpcs,
  EntitlementsRpcs,
  JobsRpcs,
  EmailRpcs,
  AiRpcs,
).middleware(Call) {}

import { Layer } from "effect"
import { Audit } from "./Audit.ts"
import { AuditRepo } from "./AuditRepo.ts"

/** The audit log. */
export const layer = Audit.layer.pipe(Layer.provideMerge(AuditRepo.layer))

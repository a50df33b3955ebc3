import { Layer } from "effect"
import { Cleanup } from "./Cleanup.ts"
import { CleanupRepo } from "./CleanupRepo.ts"
import { Exports } from "./Exports.ts"
import { ExportsRepo } from "./ExportsRepo.ts"

/** Personal data: export, retention and erasure. */
export const layer = Layer.mergeAll(Exports.layer, Cleanup.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(ExportsRepo.layer, CleanupRepo.layer)),
)

import { Layer } from "effect"
import { Entitlements } from "./Entitlements.ts"
import { EntitlementsRepo } from "./EntitlementsRepo.ts"
import { RequestQuota } from "./RequestQuota.ts"

/** Plans and their limits. */
export const layer = RequestQuota.layer.pipe(
  Layer.provideMerge(Entitlements.layer),
  Layer.provideMerge(EntitlementsRepo.layer),
)

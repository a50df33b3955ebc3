import { Layer } from "effect"
import { AiGateway } from "./AiGateway.ts"
import { AiReservations } from "./AiReservations.ts"
import { AiReservationsRepo } from "./AiReservationsRepo.ts"

/** Calls of AI models: routing, reservations of tokens, metering. */
export const layer = AiGateway.layer.pipe(
  Layer.provideMerge(AiReservations.layer),
  Layer.provideMerge(AiReservationsRepo.layer),
)

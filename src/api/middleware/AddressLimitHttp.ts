import { Effect, Layer } from "effect"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { AddressLimit } from "./AddressLimit.ts"
import { Limits } from "../../http/Limits.ts"
import { policyOf, RateLimit } from "../../http/Policies.ts"

export const layer = Layer.effect(
  AddressLimit,
  Effect.map(Limits, (limits) =>
    AddressLimit.of((handler, options) => {
      const name = policyOf(RateLimit, options)
      if (name === null) return handler
      const countCall = limits.byAddress(name, options.endpoint.path)
      return Effect.withFiber((fiber) =>
        Effect.flatMapEager(countCall(fiber.getRef(RequestInfo)), () => handler),
      )
    }),
  ),
)

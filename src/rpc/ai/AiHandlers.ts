import { Effect, Stream } from "effect"
import { AiGateway } from "../../business/ai/AiGateway.ts"
import { Users } from "../../business/users/Users.ts"
import { input } from "./AiRpcs.ts"
import { decoded, decodedStream } from "../Decoded.ts"
import { subscriberOf } from "../Subscriber.ts"

export const make = Effect.gen(function* () {
  const gateway = yield* AiGateway
  const users = yield* Users

  return {
    "ai.status": decoded(input.status, () => Effect.succeed(gateway.status)),
    "ai.complete": decoded(input.complete, ({ user_id, ...completion }) =>
      Effect.flatMap(subscriberOf(users, user_id), (caller) =>
        gateway.complete(caller, toRequest(completion)),
      ),
    ),
    "ai.stream": decodedStream(input.complete, ({ user_id, ...completion }) =>
      Stream.unwrap(
        Effect.flatMap(subscriberOf(users, user_id), (caller) =>
          gateway.stream(caller, toRequest(completion)),
        ),
      ),
    ),
  }
})

const toRequest = ({
  complexity,
  model,
  ...completion
}: Omit<typeof input.complete.Type, "user_id">) => ({
  ...completion,
  model: model ?? null,
  complexity: complexity ?? null,
})

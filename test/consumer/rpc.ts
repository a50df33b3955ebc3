import { Effect, Stream } from "effect"
import { UserId } from "plinth/domain"
import { PlinthRpc, withDeadline } from "plinth/rpc"

/** Calls the API as another service does. */
const journey = (owner_id: UserId) =>
  Effect.gen(function* () {
    const rpc = yield* PlinthRpc
    const project = yield* rpc("projects.create", { owner_id, name: " Engine " })
    const page = yield* rpc("projects.list", { owner_id }).pipe(withDeadline("5 seconds"))
    const missing = yield* rpc("users.get", { id: UserId.make("nobody") }).pipe(
      Effect.map(({ id }) => id),
      Effect.catchTag("NotFoundError", ({ resource }) => Effect.succeed(resource)),
    )
    const events = yield* Stream.runCollect(
      rpc("ai.stream", { user_id: owner_id, messages: [{ role: "user", content: "Hello" }] }),
    )
    return {
      name: project.name,
      names: page.items.map(({ name }) => name),
      missing,
      said: events.map((event) => (event._tag === "delta" ? event.text : "")).join(""),
    }
  })

export const run = (url: string, token: string, owner: string) =>
  Effect.runPromise(
    Effect.provide(journey(UserId.make(owner)), PlinthRpc.layer({ url, token, caller: "reports" })),
  )

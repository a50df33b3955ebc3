import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Stream } from "effect"
import {
  AuthenticationError,
  AuthorizationError,
  BadRequestError,
  ConflictError,
  NotFoundError,
  PayloadTooLargeError,
  QuotaExceededError,
  ExternalServiceError,
  ValidationError,
} from "../../src/domain/Errors.ts"
import { PlinthRpc } from "../../src/rpc/RpcClient.ts"
import type { AiProvider } from "../../src/services/ai/Ai.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { FakeProvider } from "../fixtures/vendors/FakeAi.ts"
import {
  chatRequest,
  client,
  failure,
  frame,
  framesIn,
  post,
  rpcServer,
} from "../fixtures/http/Rpc.ts"

const openai = new FakeProvider("openai")

/** A provider whose calls die. */
const anthropic: AiProvider = {
  name: "anthropic",
  complete: () => Effect.die(new Error("private words")),
  stream: () => Effect.die(new Error("private words")),
}

const server = rpcServer([openai, anthropic], {
  AI_FALLBACK_PROVIDERS: "openai",
  PLAN_LIMITS: '{"free":{"projects":1,"api_requests":null}}',
})

layer(server, { excludeTestServices: true })("A failed RPC call", (it) => {
  it.effect("fails with the error classes and fields of the REST client", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const deactivated = yield* newCaller()
      const rpc = yield* PlinthRpc
      yield* rpc("users.deactivate", { id: deactivated.id })
      yield* rpc("projects.create", { owner_id: id, name: "Engine" })

      const missing = yield* failure((rpc) => rpc("users.get", { id: "nobody" }))
      assert.instanceOf(missing, NotFoundError)
      assert.deepInclude(missing, { resource: "User", id: "nobody" })
      assert.strictEqual(missing.message, new NotFoundError({ resource: "User", id: "" }).message)

      const invalid = yield* failure((rpc) => rpc("users.list", { limit: 0, skip: -1 }))
      assert.instanceOf(invalid, ValidationError)
      assert.sameMembers(
        invalid.issues.map(({ path }) => path),
        ["limit", "skip"],
      )

      const taken = yield* failure((rpc) => rpc("users.create", { id, full_name: null }))
      assert.instanceOf(taken, ConflictError)
      assert.strictEqual(taken.reason, "duplicate")

      const quota = yield* failure((rpc) => rpc("projects.create", { owner_id: id, name: "B" }))
      assert.instanceOf(quota, QuotaExceededError)
      assert.deepInclude(quota, { metric: "projects", limit: 1, used: 1 })

      const forbidden = yield* failure((rpc) =>
        rpc("ai.complete", { user_id: deactivated.id, ...chatRequest }),
      )
      assert.instanceOf(forbidden, AuthorizationError)
      assert.strictEqual(forbidden.reason, "deactivated")

      openai.script = { ...openai.script, refuses: "unavailable" }
      const down = yield* failure((rpc) =>
        rpc("ai.stream", { user_id: id, ...chatRequest, model: "gpt-5.2" }).pipe(Stream.runDrain),
      )
      assert.instanceOf(down, ExternalServiceError)
    }),
  )

  it.effect("fails with an error class when the edge refuses it, too", () =>
    Effect.gen(function* () {
      const stats = Effect.flatMap(PlinthRpc, (rpc) => Effect.flip(rpc("jobs.stats", {})))
      assert.instanceOf(
        yield* Effect.provide(stats, client({ token: "wrong" })),
        AuthenticationError,
      )
      assert.instanceOf(yield* Effect.provide(stats, client({ caller: "Not So" })), BadRequestError)
      const large = yield* failure((rpc) => rpc("users.get", { id: "a".repeat(1_048_576) }))
      assert.instanceOf(large, PayloadTooLargeError)
      assert.strictEqual(large.limit, 1_048_576)
    }),
  )

  it.effect("reports a defect without its message", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      const payload = { user_id: id, ...chatRequest, model: "claude-sonnet-4-5" }
      for (const call of [
        rpc("ai.complete", payload),
        rpc("ai.stream", payload).pipe(Stream.runDrain),
      ]) {
        const exit = yield* Effect.exit(call)
        assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        assert.match(Cause.pretty(exit.cause), /Internal error/)
        assert.notMatch(Cause.pretty(exit.cause), /private/)
      }
      for (const tag of ["ai.complete", "ai.stream"]) {
        const { text } = yield* post({ body: frame(tag, payload) })
        assert.deepStrictEqual(framesIn(text), [
          {
            _tag: "Exit",
            requestId: "1",
            exit: { _tag: "Failure", cause: [{ _tag: "Die", defect: "INTERNAL_ERROR" }] },
          },
        ])
      }
    }),
  )
})

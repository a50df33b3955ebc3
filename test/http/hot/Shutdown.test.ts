import { assert, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import { AccessLog } from "../../../src/core/telemetry/AccessLog.ts"
import { newCaller } from "../../fixtures/http/Callers.ts"
import { halfSent } from "../../fixtures/http/HalfSent.ts"
import { doors, testAppWith } from "../../TestApp.ts"

it.live("logs a request whose body is still under way when the server has stopped", () =>
  Effect.gen(function* () {
    const logged: Array<number> = []
    const log = Layer.succeed(AccessLog, {
      write: ({ status_code }) => logged.push(status_code),
    })
    const scope = yield* Scope.make()
    const server = doors.pipe(
      Layer.provideMerge(Layer.provideMerge(log, testAppWith({}))),
      Layer.provideMerge(FetchHttpClient.layer),
    )
    const context = yield* Layer.buildWithScope(server, scope)
    yield* Effect.gen(function* () {
      const { token } = yield* newCaller()
      yield* halfSent("/api/v1/app/projects", token)
      yield* Effect.sleep("100 millis")
    }).pipe(Effect.provide(context))
    yield* Scope.close(scope, Exit.void)

    assert.deepStrictEqual(logged, [499])
  }),
)

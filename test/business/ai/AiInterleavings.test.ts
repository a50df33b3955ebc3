import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { AiGateway } from "../../../src/business/ai/AiGateway.ts"
import { asCaller, ledgerOf, request, written } from "../../fixtures/data/AiLedger.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import { appWithProviders, FakeProvider, type Script } from "../../fixtures/vendors/FakeAi.ts"

const provider = new FakeProvider("openai")

const scripts = Schema.Struct({
  parts: Schema.Literals([0, 1, 2, 3, 4, 5]),
  ending: Schema.Literals(["stop", "cut", "hang"]),
  tokens: Schema.Struct({
    prompt: Schema.NullOr(Schema.Literals([0, 9])),
    completion: Schema.NullOr(Schema.Literals([0, 11])),
  }),
})

/** The client stops reading after this many parts and disconnects. */
const readCounts = Schema.Literals([1, 2, 3, 4, 5, 6, 7])

layer(appWithProviders([provider]), { excludeTestServices: true, timeout: "60 seconds" })(
  "A streamed AI call",
  (it) => {
    it.effect.prop(
      "costs what the provider sent, wherever it fails and wherever the client disconnects",
      [scripts, readCounts],
      ([script, readCount]) =>
        Effect.gen(function* () {
          const gateway = yield* AiGateway
          const caller = yield* asCaller
          Object.assign(provider, { script, sentParts: 0, isOpen: false })
          let seen = 0
          const reading = yield* Effect.forkChild(
            gateway.stream(caller, request).pipe(
              Effect.flatMap(
                Stream.runForEach(({ _tag }) => {
                  if (_tag === "end") return Effect.void
                  seen += 1
                  return seen >= readCount ? Effect.never : Effect.void
                }),
              ),
              Effect.scoped,
            ),
          )
          const last = script.ending === "hang" ? Math.min(readCount, script.parts) : readCount
          // Either the call has ended, or everything that still waits would wait forever.
          yield* eventually(
            Effect.sync(
              () => reading.pollUnsafe() !== undefined || (provider.isOpen && seen >= last),
            ),
          )
          yield* Fiber.interrupt(reading)
          assert.isFalse(provider.isOpen)
          const { reserved, rows } = yield* ledgerOf(caller.id)
          assert.strictEqual(reserved, 0)
          assert.deepStrictEqual(rows, expected(script, readCount))
        }),
      { arbitrary: { runs: 150 } },
    )
  },
)

const expected = (script: Script, readCount: number) => {
  const { ending, parts, tokens } = script
  if (parts === 0 && ending !== "stop") return []
  const isWhole = ending === "stop" && readCount > parts
  if (!isWhole) return written(1 + provider.sentParts, true)
  const prompt = tokens.prompt ?? 1
  const completion = tokens.completion ?? parts
  return written(prompt + completion, tokens.prompt === null || tokens.completion === null)
}

import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { PubSub } from "../../src/core/shared/PubSub.ts"
import { alone, anotherProcess, shared, untilBack } from "../fixtures/Processes.ts"
import { hasProgram } from "../Programs.ts"
import { RedisServer, sleep } from "../RedisServer.ts"

const publish = (channel: string, message: string) =>
  Effect.flatMap(PubSub, (pubSub) => pubSub.publish(channel, message))

/** What is heard from now on. */
const heardOn = (channel: string) =>
  Effect.gen(function* () {
    const { subscribe } = yield* PubSub
    const heard: Array<string> = []
    yield* subscribe(channel, (message) => heard.push(message))
    return heard
  })

/** What holds for every layer. */
const laws = (it: Vitest.MethodsNonLive<PubSub>) => {
  it.effect("tells each listener of a channel once, in order, before publish ends", () =>
    Effect.gen(function* () {
      const [one, two, other] = [
        yield* heardOn("channel"),
        yield* heardOn("channel"),
        yield* heardOn("other"),
      ]
      for (const message of ["a", "", "größer\r\n\0💥", "a"]) yield* publish("channel", message)
      assert.deepStrictEqual(one, ["a", "", "größer\r\n\0💥", "a"])
      assert.deepStrictEqual(two, one)
      assert.deepStrictEqual(other, [])
    }),
  )

  it.effect("tells nobody who has left, and the others all the same", () =>
    Effect.gen(function* () {
      const stays = yield* heardOn("leaving")
      const left = yield* Effect.scoped(heardOn("leaving"))
      yield* publish("leaving", "a")
      assert.deepStrictEqual([stays, left], [["a"], []])
    }),
  )
}

layer(alone)("Messages in one process", (it) => {
  laws(it)
})

describe.skipIf(!hasProgram("redis"))("Redis", () => {
  layer(shared, { excludeTestServices: true })("Messages between processes", (it) => {
    laws(it)

    /** Until this has been heard, or for a while. */
    const until = (
      heard: ReadonlyArray<string>,
      message: string,
      patience = 200,
    ): Effect.Effect<void> =>
      heard.includes(message) || patience === 0
        ? Effect.void
        : Effect.andThen(
            sleep(10),
            Effect.suspend(() => until(heard, message, patience - 1)),
          )

    /** A subscription takes a moment to reach Redis. */
    const untilConnected = (channel: string, heard: Array<string>) =>
      Effect.gen(function* () {
        while (!heard.includes("there?")) {
          yield* publish(channel, "there?")
          yield* sleep(10)
        }
        yield* until(heard, "there?")
        heard.length = 0
      })

    it.effect("come once and in order, also to the publisher", () =>
      Effect.gen(function* () {
        const other = yield* anotherProcess
        const there = yield* Effect.provide(heardOn("both"), other)
        yield* untilConnected("both", there)
        const here = yield* heardOn("both")
        const messages = Array.from({ length: 200 }, (_, n) => `message ${n}`)
        yield* Effect.forEach(messages, (message) => publish("both", message))
        yield* publish("both", "last")
        yield* until(there, "last")
        assert.deepStrictEqual(
          there.filter((message) => message !== "there?"),
          [...messages, "last"],
        )
        assert.deepStrictEqual(here, [...messages, "last"])
      }),
    )

    it.effect("come again after Redis was away, and here they never stopped", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer
        const other = yield* anotherProcess
        const [here, there] = [
          yield* heardOn("away"),
          yield* Effect.provide(heardOn("away"), other),
        ]
        yield* untilConnected("away", there)
        yield* redis.kill
        yield* publish("away", "meanwhile")
        assert.include(here, "meanwhile")
        // Asked for while there is nobody to ask.
        const late = yield* Effect.provide(heardOn("late"), other)
        yield* redis.start
        yield* untilBack
        yield* untilConnected("away", there)
        yield* untilConnected("late", late)
        assert.notInclude(there, "meanwhile")
      }),
    )
  })
})

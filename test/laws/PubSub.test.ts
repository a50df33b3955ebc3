import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { PubSub } from "../../src/core/shared/PubSub.ts"
import { alone, anotherProcess, shared, untilBack } from "../fixtures/processes/Processes.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"

const publish = (channel: string, message: string) =>
  Effect.flatMap(PubSub, (pubSub) => pubSub.publish(channel, message))

/** Subscribes, and returns the array that collects the messages. */
const collect = (channel: string) =>
  Effect.gen(function* () {
    const { subscribe } = yield* PubSub
    const messages: Array<string> = []
    yield* subscribe(channel, (message) => messages.push(message))
    return messages
  })

/** Runs the laws of every layer. */
const laws = (it: Vitest.MethodsNonLive<PubSub>) => {
  it.effect("delivers to each local subscriber once, in order, before publish returns", () =>
    Effect.gen(function* () {
      const [one, two, other] = [
        yield* collect("channel"),
        yield* collect("channel"),
        yield* collect("other"),
      ]
      for (const message of ["a", "", "größer\r\n\0💥", "a"]) yield* publish("channel", message)
      assert.deepStrictEqual(one, ["a", "", "größer\r\n\0💥", "a"])
      assert.deepStrictEqual(two, one)
      assert.deepStrictEqual(other, [])
    }),
  )

  it.effect("stops delivering to a subscriber that left, and continues for the others", () =>
    Effect.gen(function* () {
      const remaining = yield* collect("leaving")
      const left = yield* Effect.scoped(collect("leaving"))
      yield* publish("leaving", "a")
      assert.deepStrictEqual([remaining, left], [["a"], []])
    }),
  )
}

layer(alone)("PubSub of one process", (it) => {
  laws(it)
})

describe.skipIf(!hasProgram("redis"))("Redis", () => {
  layer(shared, { excludeTestServices: true })("PubSub shared through Redis", (it) => {
    laws(it)

    /** Waits until the message has arrived, for 2 s at most. */
    const untilReceived = (
      received: ReadonlyArray<string>,
      message: string,
      attempts = 200,
    ): Effect.Effect<void> =>
      received.includes(message) || attempts === 0
        ? Effect.void
        : Effect.andThen(
            sleep(10),
            Effect.suspend(() => untilReceived(received, message, attempts - 1)),
          )

    /** Publishes until the subscription has reached Redis. */
    const untilConnected = (channel: string, heard: Array<string>) =>
      Effect.gen(function* () {
        while (!heard.includes("there?")) {
          yield* publish(channel, "there?")
          yield* sleep(10)
        }
        yield* untilReceived(heard, "there?")
        heard.length = 0
      })

    it.effect("delivers once and in order, also to the publisher", () =>
      Effect.gen(function* () {
        const other = yield* anotherProcess
        const there = yield* Effect.provide(collect("both"), other)
        yield* untilConnected("both", there)
        const here = yield* collect("both")
        const messages = Array.from({ length: 200 }, (_, n) => `message ${n}`)
        yield* Effect.forEach(messages, (message) => publish("both", message))
        yield* publish("both", "last")
        yield* untilReceived(there, "last")
        assert.deepStrictEqual(
          there.filter((message) => message !== "there?"),
          [...messages, "last"],
        )
        assert.deepStrictEqual(here, [...messages, "last"])
      }),
    )

    it.effect("resumes after a Redis outage, while local delivery never stops", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer
        const other = yield* anotherProcess
        const [here, there] = [
          yield* collect("away"),
          yield* Effect.provide(collect("away"), other),
        ]
        yield* untilConnected("away", there)
        yield* redis.kill
        yield* publish("away", "meanwhile")
        assert.include(here, "meanwhile")
        // Subscribes while Redis is down.
        const late = yield* Effect.provide(collect("late"), other)
        yield* redis.start
        yield* untilBack
        yield* untilConnected("away", there)
        yield* untilConnected("late", late)
        assert.notInclude(there, "meanwhile")
      }),
    )
  })
})

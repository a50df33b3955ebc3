import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { createHmac } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { Tokens } from "../../../src/core/identity/Tokens.ts"
import { Settings } from "../../../src/core/settings/Settings.ts"
import { Metrics } from "../../../src/core/telemetry/Metrics.ts"

const secret = "remembered-Secret-of-32-bytes-0123456789"
const tokens = Tokens.layer.pipe(
  Layer.provide([Metrics.layer, FetchHttpClient.layer]),
  Layer.provide(Settings.layerFrom({ SECRET_KEY: secret })),
)

/** 2026-01-01 in Unix seconds. */
const now = 1_767_225_600

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const head = encode({ alg: "HS256", typ: "JWT" })
const sign = (claims: object) => {
  const input = `${head}.${encode({ iss: "plinth", sub: "ada", purpose: "access", ...claims })}`
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
}

/** Changes the first character of the signature. */
const forged = (token: string) =>
  token.replace(/[^.]([^.]*)$/, (signature) =>
    signature.startsWith("A") ? `B${signature.slice(1)}` : `A${signature.slice(1)}`,
  )

const verify = (token: string) =>
  Effect.flatMap(Tokens, (service) => Effect.clockWith((clock) => service.verify(token, clock)))

const reasonAt = (token: string, second: number) =>
  Effect.andThen(
    TestClock.setTime((now + second) * 1000),
    Effect.match(verify(token), {
      onSuccess: ({ sub }): string => sub,
      onFailure: (error) => ("reason" in error ? error.reason : error._tag),
    }),
  )

layer(tokens)("A remembered token", (it) => {
  it.effect("is refused from the second at which it expires, and when the clock steps back", () =>
    Effect.gen(function* () {
      const token = sign({ exp: now + 60, nbf: now, iat: now })
      assert.strictEqual(yield* reasonAt(token, 0), "ada")
      assert.strictEqual(yield* reasonAt(token, 59), "ada")
      assert.strictEqual(yield* reasonAt(token, 60), "expired_token")
      assert.strictEqual(yield* reasonAt(token, -4), "ada")
      assert.strictEqual(yield* reasonAt(token, -6), "invalid_token")
      assert.strictEqual(yield* reasonAt(token, 1), "ada")
    }),
  )

  it.effect("does not make another text valid", () =>
    Effect.gen(function* () {
      const token = sign({ exp: now + 60 })
      assert.strictEqual(yield* reasonAt(token, 0), "ada")
      for (const other of [` ${token}`, `${token}=`, token.slice(0, -1), token.toUpperCase()]) {
        assert.strictEqual(yield* reasonAt(other, 0), "invalid_token")
      }
    }),
  )
})

/** Collects garbage, and returns the heap in use in MB. */
const heapMB = () => {
  setFlagsFromString("--expose-gc")
  ;(runInNewContext("gc") as () => void)()
  return process.memoryUsage().heapUsed / 1_000_000
}

describe("The memory of tokens", () => {
  layer(tokens)("with a million different tokens", (it) => {
    it.effect("is bounded, whether their signatures are right or wrong", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(now * 1000)
        const service = yield* Tokens
        const clock = yield* Effect.clockWith(Effect.succeed)
        const before = heapMB()
        let accepted = 0
        for (let n = 0; n < 1_000_000; n += 1) {
          const token = sign({ exp: now + 60, jti: n, email: "ada@example.com" })
          const exit = service.verify(n % 2 === 0 ? token : forged(token), clock)
          if (Exit.isExit(exit) && Exit.isSuccess(exit)) accepted += 1
        }
        assert.strictEqual(accepted, 500_000)
        assert.isBelow(heapMB() - before, 30)
      }),
    )
  })
})

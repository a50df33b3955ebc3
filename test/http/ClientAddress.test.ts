import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { networkOf } from "../../src/http/Network.ts"
import { server } from "../fixtures/http/Callers.ts"
import { send } from "../fixtures/http/Http.ts"

/** Returns the output of this process to stdout while the effect runs. */
const outputOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const chunks: Array<string> = []
    yield* Effect.acquireUseRelease(
      Effect.sync(() => {
        const { write } = process.stdout
        process.stdout.write = (chunk: string | Uint8Array) => {
          chunks.push(String(chunk))
          return true
        }
        return write
      }),
      () => effect,
      (write) => Effect.sync(() => (process.stdout.write = write)),
    )
    return chunks.join("")
  })

/** Sends these requests to a new server, and returns its access lines, which it flushes when it stops. */
const linesOf = (TRUSTED_PROXIES: string, forwarded: ReadonlyArray<string | undefined>) =>
  Effect.gen(function* () {
    const requests = Effect.forEach(forwarded, (value) =>
      send({
        path: "/api/v1/app/projects?token=secret",
        headers: {
          "X-Request-ID": "known",
          ...(value !== undefined && { "X-Forwarded-For": value }),
        },
      }),
    )
    const output = yield* outputOf(
      Effect.provide(
        requests,
        Layer.fresh(server({ TRUSTED_PROXIES, LOG_LEVEL: "INFO", ENVIRONMENT: "staging" })),
      ),
    )
    return output
      .split("\n")
      .map((line) => Option.liftThrowable((text: string) => JSON.parse(text) as object)(line))
      .flatMap((line) =>
        Option.isSome(line) ? [line.value as Readonly<Record<string, unknown>>] : [],
      )
      .filter(({ message }) => message === "request")
  })

const own = "127.0.0.1"

describe("client_ip in the access log", () => {
  it.live("is the peer address of the connection, whatever the headers contain", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf("0", [undefined, "203.0.113.7"])
      assert.deepStrictEqual(
        lines.map(({ client_ip }) => client_ip),
        [own, own],
      )
      const [line] = lines
      const { duration_ms, timestamp, version: _v, ...rest } = line ?? {}
      assert.isNumber(duration_ms)
      assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.deepStrictEqual(rest, {
        level: "INFO",
        message: "request",
        service: "Plinth",
        environment: "staging",
        request_id: "known",
        method: "GET",
        path: "/api/v1/app/projects",
        endpoint: "/api/v1/app/projects",
        status_code: 401,
        client_ip: own,
      })
    }),
  )

  it.live("is the address that the outermost trusted proxy saw, counted from the right", () =>
    Effect.gen(function* () {
      const forwarded = [
        undefined,
        "203.0.113.7",
        "evil, 203.0.113.7",
        "203.0.113.7, 198.51.100.2",
        "1.1.1.1, 203.0.113.7, 198.51.100.2",
        "2001:db8::1",
        '"<script>", 203.0.113.7',
        "203.0.113.7, not-an-address",
        "203.0.113.7:50123",
        "[2001:db8::1]:50123",
        "203.0.113.777",
      ]
      const one = yield* linesOf("1", forwarded)
      assert.deepStrictEqual(
        one.map(({ client_ip }) => client_ip),
        [
          own,
          "203.0.113.7",
          "203.0.113.7",
          "198.51.100.2",
          "198.51.100.2",
          "2001:db8::1",
          "203.0.113.7",
          own,
          "203.0.113.7",
          "2001:db8::1",
          own,
        ],
      )
      const two = yield* linesOf("2", forwarded.slice(3, 5))
      assert.deepStrictEqual(
        two.map(({ client_ip }) => client_ip),
        ["203.0.113.7", "203.0.113.7"],
      )
    }),
  )
})

describe("The network of a client address", () => {
  it.each([
    ["203.0.113.7", "203.0.113.7"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:0001:2::6", "2001:db8:1:2::/64"],
    ["2001:db8::6", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["unknown", "unknown"],
  ])("%s belongs to %s", (address, network) => {
    assert.strictEqual(networkOf(address), network)
  })
})

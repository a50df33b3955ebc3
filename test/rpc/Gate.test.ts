import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import type { Answer } from "../fixtures/http/Answer.ts"
import { failureOf, send } from "../fixtures/http/Http.ts"
import { frame, framesIn, post, rpcToken } from "../fixtures/http/Rpc.ts"
import { added } from "../fixtures/http/Series.ts"

const stats = frame("jobs.stats")
const next = "0e1f2d3c4b5a69788796a5b4c3d2e1f0"

const statusAndCode = ({ status, ...answer }: Answer) => [
  status,
  failureOf({ status, ...answer }).code,
]

layer(server(), { excludeTestServices: true })("/rpc without RPC_TOKEN", (it) => {
  it.effect("answers 404", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(statusAndCode(yield* post({ body: stats })), [404, "NOT_FOUND"])
      assert.deepStrictEqual(statusAndCode(yield* send({ path: "/rpc" })), [404, "NOT_FOUND"])
    }),
  )
})

layer(server({ RPC_TOKEN: `${next}, ${rpcToken}` }), { excludeTestServices: true })(
  "/rpc",
  (it) => {
    it.effect("accepts each token of RPC_TOKEN", () =>
      Effect.gen(function* () {
        for (const token of [next, rpcToken]) {
          assert.strictEqual((yield* post({ body: stats, token })).status, 200)
        }
      }),
    )

    it.effect("refuses all other tokens, whatever headers the calls contain", () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller("superadmin")
        const withHeader = JSON.stringify({
          _tag: "Request",
          id: "1",
          tag: "jobs.stats",
          payload: {},
          headers: [["authorization", `Bearer ${rpcToken}`]],
        })
        const wrong = [`${rpcToken}x`, rpcToken.slice(1), `${next},${rpcToken}`, token]
        const refused = Effect.forEach(wrong, (token) => post({ body: withHeader, token }))
        assert.deepStrictEqual(yield* added(refused, "auth_failures_total"), {
          'auth_failures_total{reason="invalid_token"}': wrong.length,
        })
        for (const answer of yield* refused) {
          assert.deepStrictEqual(statusAndCode(answer), [401, "AUTHENTICATION_ERROR"])
          assert.strictEqual(failureOf(answer).details["reason"], "invalid_token")
        }
        const withoutToken = { path: "/rpc", body: withHeader }
        assert.strictEqual(failureOf(yield* send(withoutToken)).details["reason"], "missing_token")
      }),
    )

    it.effect("accepts only POST", () =>
      Effect.gen(function* () {
        const answer = yield* send({ path: "/rpc", token: rpcToken })
        assert.deepStrictEqual(statusAndCode(answer), [405, "METHOD_NOT_ALLOWED"])
        assert.strictEqual(answer.headers["allow"], "POST")
      }),
    )

    it.effect("refuses malformed caller names and deadlines", () =>
      Effect.gen(function* () {
        for (const headers of [
          { "x-plinth-caller": "" },
          { "x-plinth-caller": "Billing" },
          { "x-plinth-caller": 'a"}' },
          { "x-plinth-caller": "a".repeat(65) },
          { "x-plinth-timeout-ms": "0" },
          { "x-plinth-timeout-ms": "1.5" },
          { "x-plinth-timeout-ms": "-1" },
          { "x-plinth-timeout-ms": "Infinity" },
          { "x-plinth-timeout-ms": "86400001" },
        ]) {
          assert.deepStrictEqual(
            statusAndCode(yield* post({ body: stats, headers })),
            [400, "BAD_REQUEST"],
            JSON.stringify(headers),
          )
        }
      }),
    )

    it.effect("refuses bodies that are not lines of calls, with the reason", () =>
      Effect.gen(function* () {
        const deep = `${'{"a":'.repeat(70)}1${"}".repeat(70)}`
        const cases: ReadonlyArray<readonly [string | Uint8Array, RegExp]> = [
          ["", /empty/],
          ["\n \n", /empty/],
          ["not json\n", /Line 1 is not a call/],
          ["null\n", /Line 1 is not a call/],
          [`${stats}[]\n`, /Line 2 is not a call/],
          [`[${stats.trim()}]\n`, /Line 1 is not a call/],
          ['{"_tag":"Interrupt","requestId":"1"}', /Line 1 is not a call/],
          ['{"_tag":"Request","id":{},"tag":"jobs.stats"}', /Line 1 is not a call/],
          ['{"_tag":"Request","id":"1","tag":["jobs.stats"]}', /Line 1 is not a call/],
          [frame("jobs.destroy"), /Line 1: unknown method/],
          [frame("__proto__"), /Line 1: unknown method/],
          [`${stats}${stats}`, /Duplicate call id/],
          [`${frame("jobs.stats", {}, "1")}${frame("jobs.stats", {}, 1)}`, /Duplicate call id/],
          [
            Array.from({ length: 101 }, (_, id) => frame("jobs.stats", {}, id)).join(""),
            /at most 100 calls/,
          ],
          [frame("users.get", JSON.parse(deep)), /nested/],
          ['{"_tag":"Request","id":"1","tag":"users.get","payload":{"__proto__":{}}}', /__proto__/],
          [new Uint8Array([0x22, 0xff, 0x22]), /UTF-8/],
        ]
        for (const [body, expected] of cases) {
          const answer = yield* post({ body })
          assert.deepStrictEqual(statusAndCode(answer), [400, "BAD_REQUEST"], String(expected))
          assert.match(failureOf(answer).message, expected)
        }
      }),
    )

    it.effect("refuses other content types, and bodies above the limit", () =>
      Effect.gen(function* () {
        for (const type of ["application/json", "text/plain", "application/x-ndjson-x"]) {
          const answer = yield* post({ body: stats, headers: { "content-type": type } })
          assert.deepStrictEqual(statusAndCode(answer), [415, "UNSUPPORTED_MEDIA_TYPE"])
        }
        const large = frame("users.get", { id: "a".repeat(1_048_576) })
        assert.deepStrictEqual(statusAndCode(yield* post({ body: large })), [
          413,
          "PAYLOAD_TOO_LARGE",
        ])
      }),
    )

    it.effect("answers each call of a body by its id, including invalid calls", () =>
      Effect.gen(function* () {
        const body = [
          frame("jobs.stats", {}, "a"),
          frame("users.get", { id: 7 }, 2),
          // The last line needs no line feed, and the payload is optional.
          '{"_tag":"Request","id":"c","tag":"ai.status"}',
        ].join("")
        const { headers, status, text } = yield* post({ body })
        assert.strictEqual(status, 200)
        assert.strictEqual(headers["content-type"], "application/x-ndjson")
        const tags = (framesIn(text) as ReadonlyArray<Frame>).map(
          ({ exit, requestId }) => [String(requestId), exit._tag] as const,
        )
        assert.sameDeepMembers(tags, [
          ["a", "Success"],
          ["2", "Failure"],
          ["c", "Success"],
        ])
      }),
    )
  },
)

interface Frame {
  readonly requestId: string | number
  readonly exit: { readonly _tag: string }
}

layer(server({ RPC_TOKEN: rpcToken, RATE_LIMIT_AUTH: "2/minute" }), {
  excludeTestServices: true,
})("The limit of failed tokens", (it) => {
  it.effect("is shared by RPC and REST, and does not affect a valid token", () =>
    Effect.gen(function* () {
      const guess = post({ body: stats, token: "guess" })
      const { token } = yield* newCaller()
      const path = "/api/v1/app/users/me"
      const statuses = [
        (yield* guess).status,
        (yield* send({ path, token: `${token}x` })).status,
        (yield* guess).status,
        (yield* post({ body: stats })).status,
      ]
      assert.deepStrictEqual(statuses, [401, 401, 429, 200])
    }),
  )
})

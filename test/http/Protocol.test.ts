import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { Users } from "../../src/business/users/Users.ts"
import { UserId } from "../../src/domain/users/User.ts"
import { bodyOf, failureOf, Http, raw, send } from "../fixtures/http/Http.ts"

const projects = "/api/v1/app/projects"
const health = "/api/v1/public/health"

const head = (line: string, ...headers: ReadonlyArray<string>) =>
  [`${line} HTTP/1.1`, ...headers, "", ""].join("\r\n")

const host = "Host: localhost"
const close = "Connection: close"

const limit = 1_048_576

layer(server(), { excludeTestServices: true })("The edge", (it) => {
  const routes: ReadonlyArray<readonly [what: string, path: string]> = [
    ["an unknown route", "/api/v1/nothing"],
    ["the root", "/"],
    ["a slash at the end", `${health}/`],
    ["two slashes", "/api/v1//public/health"],
    ["another case", "/API/v1/public/health"],
    ["dots", "/api/v1/public/../public/health"],
    ["a parameter over the limit", `${projects}/${"a".repeat(2000)}`],
    ["a bad escape", `${projects}/%zz`],
    ["half an escape", `${projects}/%e0%a4`],
    ["a path with a parameter", `${projects};token=1`],
    ["a parameter before a query", `${projects};a=1?limit=1`],
    ["a parameter in the middle", "/api/v1;v=1/app/projects"],
    ["an id with a parameter", `${projects}/some;a=1`],
    ["a bare semicolon", `${health};`],
    ["RPC with a parameter", "/rpc;a=1"],
    ["a page with a parameter", "/docs;a=1"],
    ["a fragment", `${projects}#a`],
  ]
  for (const [what, path] of routes) {
    it.effect(`answers ${what} with 404`, () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const answer = yield* send({ path, token })
        assert.strictEqual(answer.status, 404)
        assert.strictEqual(failureOf(answer).details["resource"], "Route")
      }),
    )
  }

  const verbs: ReadonlyArray<readonly [method: string, path: string, allow: string]> = [
    ["PUT", projects, "GET, HEAD, POST"],
    ["DELETE", projects, "GET, HEAD, POST"],
    ["TRACE", projects, "GET, HEAD, POST"],
    ["PROPFIND", projects, "GET, HEAD, POST"],
    ["OPTIONS", projects, "GET, HEAD, POST"],
    ["POST", `${projects}/some`, "GET, HEAD, PATCH, DELETE"],
    ["PUT", "/api/v1/app/users/me", "GET, HEAD, PATCH, DELETE"],
    ["GET", "/api/v1/admin/users/some/activate", "POST"],
    ["HEAD", "/api/v1/admin/users/some/activate", "POST"],
    ["POST", health, "GET, HEAD"],
    ["POST", "/api/v1/openapi.json", "GET, HEAD"],
  ]
  for (const [method, path, allow] of verbs) {
    it.effect(`answers ${method} ${path} with 405 and Allow: ${allow}`, () =>
      Effect.gen(function* () {
        const answer = yield* send({ method, path })
        assert.strictEqual(answer.status, 405)
        assert.strictEqual(answer.headers["allow"], allow)
        if (method !== "HEAD") assert.deepStrictEqual(failureOf(answer).details, { allow })
      }),
    )
  }

  for (const method of ["PUT", "OPTIONS", "HEAD", "PROPFIND"]) {
    it.effect(`answers ${method} of a path with a parameter with 404, not with its methods`, () =>
      Effect.gen(function* () {
        const answer = yield* send({ method, path: `${projects};a=1` })
        assert.deepStrictEqual([answer.status, answer.headers["allow"]], [404, undefined])
      }),
    )
  }

  it.effect("accepts a semicolon encoded in an id, and in any form in a query", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller("admin")
      const users = yield* Users
      const id = UserId.make("auth0|a;b")
      yield* users.create({ id, email: null, full_name: null, role: "user" })
      for (const query of ["", "?a;b", "?a=1;b#c"]) {
        const path = `/api/v1/admin/users/auth0%7Ca%3Bb${query}`
        const answer = yield* send({ path, token })
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(bodyOf<{ readonly id: string }>(answer).id, id)
      }
    }),
  )

  const broken: ReadonlyArray<readonly [what: string, bytes: string, status: number]> = [
    ["bytes that are not HTTP", "hello\r\n\r\n", 400],
    ["TLS", "\u0016\u0003\u0001\u0002\r\n\r\n", 400],
    ["an unknown verb", head("FOO /", host), 400],
    ["a version from the future", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["a bad Content-Length", head(`POST ${projects}`, host, "Content-Length: many"), 400],
    ["a negative length", head(`POST ${projects}`, host, "Content-Length: -1"), 400],
    ["two lengths", head(`POST ${projects}`, host, "Content-Length: 1", "Content-Length: 2"), 400],
    [
      "a length beside chunks",
      `${head(`POST ${projects}`, host, "Content-Length: 5", "Transfer-Encoding: chunked")}0\r\n\r\n`,
      400,
    ],
    ["a space in a header's name", head("GET /", host, "Bad Header: 1"), 400],
    ["a folded header", head("GET /", host, "X-A: 1\r\n  2"), 400],
    ["a bare line feed", "GET / HTTP/1.1\nHost: a\n\n", 400],
    ["a header over the limit", head("GET /", host, `X-A: ${"a".repeat(20_000)}`), 431],
    ["a URL over the limit", head(`GET /${"a".repeat(20_000)}`, host), 431],
    ["a missing Host", head(`GET ${health}`, close), 400],
    ["an unsupported Expect", head(`GET ${health}`, host, "Expect: tea", close), 417],
    ["CONNECT", head("CONNECT example.com:443", host), 405],
    ["the asterisk", head("OPTIONS *", host, close), 404],
    ["a parameter of an absolute target", head(`GET http://a${health};a=1`, host, close), 404],
    ["a target that is not a path", head(`GET ftp://a${health}`, host, close), 404],
  ]
  for (const [what, bytes, status] of broken) {
    it.effect(`answers ${what} with ${status} in the envelope`, () =>
      Effect.gen(function* () {
        const answer = yield* raw(bytes)
        assert.strictEqual(answer.status, status, answer.text)
        assert.strictEqual(answer.headers["connection"], "close")
      }),
    )
  }

  it.effect("does not require Host in HTTP/1.0, which health checks of load balancers use", () =>
    Effect.gen(function* () {
      const answer = yield* raw(`GET ${health} HTTP/1.0\r\n\r\n`)
      assert.strictEqual(answer.status, 200)
    }),
  )

  it.effect("answers pipelined requests in order", () =>
    Effect.gen(function* () {
      const { raw } = yield* Http
      const answers = yield* raw(
        head(`GET ${health}`, host, "X-Request-ID: first"),
        head("GET /nothing", host, "X-Request-ID: second"),
        head(`GET ${health}`, host, "X-Request-ID: third", close),
      )
      assert.deepStrictEqual(
        answers.map(({ headers, status }) => [headers["x-request-id"], status]),
        [
          ["first", 200],
          ["second", 404],
          ["third", 200],
        ],
      )
    }),
  )

  it.effect("answers when a body ends early, and continues to serve", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const answer = yield* raw(
        head(
          `POST ${projects}`,
          host,
          close,
          `Authorization: Bearer ${token}`,
          "Content-Type: application/json",
          "Transfer-Encoding: chunked",
        ),
        '5\r\n{"na\r\nnot a chunk\r\n',
      )
      assert.strictEqual(answer.status, 400)
      assert.strictEqual((yield* send({ path: health })).status, 200)
    }),
  )

  const ids: ReadonlyArray<readonly [given: string, isValid: boolean]> = [
    ["aZ09._-", true],
    ["a".repeat(128), true],
    ["a".repeat(129), false],
    ["two words", false],
    ["line\u00a0break", false],
    ["", false],
    ["<script>", false],
  ]
  for (const [given, isValid] of ids) {
    it.effect(`${isValid ? "keeps" : "replaces"} the request id ${given.slice(0, 20)}`, () =>
      Effect.gen(function* () {
        for (const path of [health, "/nothing"]) {
          const { headers } = yield* send({ path, headers: { "X-Request-ID": given } })
          if (isValid) assert.strictEqual(headers["x-request-id"], given)
          else assert.match(headers["x-request-id"] ?? "", /^[\da-f]{8}-[\da-f]{4}-7[\da-f-]{21}$/)
        }
      }),
    )
  }

  it.effect("answers HEAD like GET, without the body", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const path of [health, projects, "/api/v1/app/users/me", `${projects}/some`, "/none"]) {
        const headers = { "X-Request-ID": "one" }
        const get = yield* send({ path, token, headers })
        const answer = yield* send({ method: "HEAD", path, token, headers })
        const { date: _d, "x-ratelimit-reset": _r, ...expected } = get.headers
        const { date: _e, "x-ratelimit-reset": _s, ...found } = answer.headers
        assert.deepStrictEqual([answer.status, found], [get.status, expected])
      }
    }),
  )

  it.effect("sends no HSTS outside production", () =>
    Effect.gen(function* () {
      const { headers } = yield* send({ path: health })
      assert.isUndefined(headers["strict-transport-security"])
      assert.strictEqual(
        headers["content-security-policy"],
        "default-src 'none'; frame-ancestors 'none'",
      )
    }),
  )
})

const post = (token: string, ...more: ReadonlyArray<string>) =>
  head(
    `POST ${projects}`,
    host,
    `Authorization: Bearer ${token}`,
    "Content-Type: application/json",
    ...more,
  )

const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

layer(server(), { excludeTestServices: true })("A request body", (it) => {
  it.effect("a body of exactly the limit is accepted; one byte more is 413", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const text = JSON.stringify({ name: "Engine" })
      const fits = yield* send({ path: projects, token, body: text.padEnd(limit) })
      assert.strictEqual(fits.status, 201)
      const answer = yield* send({ path: projects, token, body: text.padEnd(limit + 1) })
      assert.strictEqual(answer.status, 413)
      assert.deepStrictEqual(failureOf(answer).details, { limit })
      assert.strictEqual(answer.headers["connection"], "close")
    }),
  )

  it.effect("a body without a length is read up to the limit, then refused", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const start = JSON.stringify({ name: "Engine" })
      const request = post(token, "Transfer-Encoding: chunked", close)
      const fits = yield* raw(request, chunked(start.padEnd(limit)), "0\r\n\r\n")
      assert.strictEqual(fits.status, 201)
      const over = yield* raw(request, chunked(start.padEnd(limit + 1)), "0\r\n\r\n")
      assert.strictEqual(over.status, 413)
      const endless = yield* raw(request, chunked(" ".repeat(65_536)).repeat(40))
      assert.strictEqual(endless.status, 413)
    }),
  )

  it.effect("a body with a Content-Length above the limit is refused before it is sent", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const length = `Content-Length: ${limit + 1}`
      for (const more of [[], ["Expect: 100-continue"]]) {
        const answer = yield* raw(post(token, length, ...more))
        assert.strictEqual(answer.status, 413)
      }
    }),
  )

  it.effect("is requested with 100 Continue when the client expects it", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const body = JSON.stringify({ name: "Engine" })
      const length = `Content-Length: ${body.length}`
      const { raw } = yield* Http
      const answers = yield* raw(post(token, length, "Expect: 100-continue", close), body)
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [100, 201],
      )
    }),
  )

  it.effect("is not requested when the answer does not depend on it", () =>
    Effect.gen(function* () {
      const answer = yield* raw(
        head(`POST ${projects}`, host, "Content-Length: 10", "Expect: 100-continue", close),
      )
      assert.strictEqual(answer.status, 401)
    }),
  )

  const types: ReadonlyArray<readonly [headers: Record<string, string>, status: number]> = [
    [{ "content-type": "application/json; charset=utf-8" }, 201],
    [{ "content-type": "APPLICATION/JSON" }, 201],
    [{ "content-type": "application/json", "content-encoding": "identity" }, 201],
    [{ "content-type": "" }, 415],
    [{ "content-type": "text/plain" }, 415],
    [{ "content-type": "application/jsonp" }, 415],
    [{ "content-type": "application/json-patch+json" }, 415],
    [{ "content-type": "application/x-www-form-urlencoded" }, 415],
    [{ "content-type": "multipart/form-data; boundary=x" }, 415],
    [{ "content-type": "application/json", "content-encoding": "gzip" }, 415],
  ]
  for (const [headers, status] of types) {
    it.effect(`a body with ${JSON.stringify(headers)} is ${status}`, () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const body = JSON.stringify({ name: "Engine" })
        const answer = yield* send({ path: projects, token, body, headers })
        assert.strictEqual(answer.status, status)
        if (status === 415) {
          assert.deepStrictEqual(failureOf(answer).details, { accepted: "application/json" })
        }
      }),
    )
  }

  const texts: ReadonlyArray<readonly [what: string, body: string | Uint8Array, status: number]> = [
    ["nothing", "", 400],
    ["blanks", "  \n ", 400],
    ["half of JSON", '{"name":', 400],
    ["JSON and more", '{"name":"a"} x', 400],
    ["single quotes", "{'name':'a'}", 400],
    ["a trailing comma", '{"name":"a",}', 400],
    ["a comment", '{"name":"a" /* x */}', 400],
    ["a byte order mark", '\uFEFF{"name":"a"}', 400],
    ["NaN", '{"name":NaN}', 400],
    ["a raw NUL", '{"name":"a\0b"}', 400],
    ["a raw line break", '{"name":"a\nb"}', 400],
    ["bytes that are not UTF-8", Uint8Array.from([0x22, 0xc3, 0x28, 0x22]), 400],
    ["__proto__", '{"name":"a","__proto__":{"x":1}}', 400],
    ["__proto__ in escapes", '{"name":"a","\\u005f_proto__":{"x":1}}', 400],
    ["__proto__ deep inside", '{"name":"a","x":[{"y":{"__proto__":null}}]}', 400],
    ["65 levels", `{"name":"a","x":${"[".repeat(64)}${"]".repeat(64)}}`, 400],
    ["100,000 levels", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, 400],
    ["64 levels", `{"name":"a","x":${"[".repeat(63)}${"]".repeat(63)}}`, 201],
    ["100,001 values", `{"name":"a","x":[${"1,".repeat(99_997)}1]}`, 400],
    ["100,000 values", `{"name":"a","x":[${"1,".repeat(99_996)}1]}`, 201],
    ["brackets in text", `{"name":"a","x":"${"[{".repeat(100)}"}`, 201],
    ["__proto__ as a value", '{"name":"__proto__"}', 201],
    ["a number that overflows", '{"name":"a","x":1e400}', 201],
    ["a name given twice, the last counts", '{"name":1,"name":"a"}', 201],
    ["null", "null", 422],
    ["a list", "[]", 422],
    ["a text", '"name"', 422],
    ["a number", "1e400", 422],
    ["NUL in escapes", '{"name":"a\\u0000b"}', 422],
    ["a lone surrogate", '{"name":"a\\ud800b"}', 422],
  ]
  for (const [what, body, status] of texts) {
    it.effect(`a body of ${what} is ${status}`, () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const answer = yield* send({ path: projects, token, body })
        assert.strictEqual(answer.status, status, answer.text)
        const good = yield* send({ path: projects, token, json: { name: "good" } })
        assert.strictEqual(good.status, 201)
      }),
    )
  }

  it.effect("sent with GET is ignored", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const answer = yield* send({ method: "GET", path: projects, token, body: "{" })
      assert.strictEqual(answer.status, 200)
    }),
  )
})

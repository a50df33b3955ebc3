import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as fc from "fast-check"
import { Tokens } from "../../../src/core/identity/Tokens.ts"
import { UserId } from "../../../src/domain/users/User.ts"
import { frame, rpcToken } from "../../fixtures/http/Rpc.ts"
import { people, projectId, startBoth } from "../../fixtures/http/TwoPaths.ts"
import { TestApp } from "../../TestApp.ts"

const sample = 700

const bytes = (...parts: ReadonlyArray<string | Uint8Array>) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)))

/** Ends a connection that the request before leaves open. */
const last = "GET /api/v1/public/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

interface Parts {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly version: string
  readonly headers: ReadonlyArray<string>
  readonly body: string | Uint8Array
  readonly length: "right" | "none" | "chunked"
}

const requestOf = ({ body, headers, length, method, path, query, version }: Parts) => {
  const content = Buffer.from(body as string)
  const framing =
    length === "chunked"
      ? ["Transfer-Encoding: chunked"]
      : length === "right"
        ? [`Content-Length: ${content.length}`]
        : []
  const head = [`${method} ${path}${query} HTTP/${version}`, ...headers, ...framing, "", ""]
  const sent = length === "chunked" ? chunk(content) : length === "right" ? content : ""
  return bytes(head.join("\r\n"), sent, last)
}

const chunk = (content: Buffer) =>
  content.length === 0
    ? "0\r\n\r\n"
    : bytes(`${content.length.toString(16)}\r\n`, content, "\r\n0\r\n\r\n")

const oneOf = <A>(...values: ReadonlyArray<A>) => fc.constantFrom(...values)

/** Chooses the first, plain value most of the time, so that most requests have few peculiarities. */
const mostly = <A>(usual: fc.Arbitrary<A>, ...unusual: ReadonlyArray<A>) =>
  fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: oneOf(...unusual) })

const projects = "/api/v1/app/projects"
const targets = oneOf(
  ["GET", projects],
  ["POST", projects],
  ["GET", `${projects}/${projectId}`],
  ["PATCH", `${projects}/${projectId}`],
  ["DELETE", `${projects}/0198c3d0-6f1e-7c3a-9b1d-000000000000`],
  ["GET", "/api/v1/app/users/me"],
  ["PATCH", "/api/v1/app/users/me"],
  ["POST", "/api/v1/app/users/me/export"],
  ["GET", "/api/v1/app/users/me/export"],
  ["GET", "/api/v1/app/usage/summary"],
  ["GET", "/api/v1/app/usage/daily"],
  ["GET", "/api/v1/app/ai/status"],
  ["POST", "/api/v1/app/ai/chat"],
  ["GET", "/api/v1/admin/users"],
  ["PATCH", "/api/v1/admin/users/ada"],
  ["POST", "/api/v1/admin/jobs/none/retry"],
  ["GET", "/api/v1/public/health"],
)

const queries = mostly(
  oneOf("", "?skip=0&limit=20", "?limit=1", "?cursor=", "?search=engine", "?days=7"),
  "?limit=101",
  "?limit=x",
  "?skip=-1",
  "?limit=1&limit=2",
  "?cursor=nonsense",
  "?search=%00",
  "?search=%zz",
  "?unknown=1",
  "?",
  ";x=1",
  "#x",
)

const bodies = mostly(
  oneOf<string | Uint8Array>(
    '{"name":" An engine ","description":null}',
    '{"description":"Computes"}',
    '{"full_name":"Ada Lovelace"}',
    "{}",
  ),
  "",
  "{",
  "[]",
  "null",
  '{"name":""}',
  '{"name":1,"description":2}',
  '{"name":"x","__proto__":{"a":1}}',
  `{"name":"${"x".repeat(300)}"}`,
  `{"name":"${"x".repeat(5000)}"}`,
  `${"[".repeat(200)}${"]".repeat(200)}`,
  Uint8Array.from([123, 34, 255, 34, 125]),
  '\uFEFF{"name":"x"}',
)

const header = (...lines: ReadonlyArray<string>) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<ReadonlyArray<string>>([]) },
    { weight: 1, arbitrary: oneOf(...lines).map((line) => [line]) },
  )

const headersOf = (tokens: ReadonlyArray<string>, types: fc.Arbitrary<string>) =>
  fc
    .tuple(
      mostly(oneOf<ReadonlyArray<string>>(["Host: a"]), [], ["Host: a", "Host: b"]),
      oneOf(...tokens.map((token) => (token === "" ? [] : [`Authorization: ${token}`]))),
      types.map((type) => (type === "" ? [] : [`Content-Type: ${type}`])),
      header("X-Request-ID: one", "X-Request-ID: \u00e9", `X-Request-ID: ${"x".repeat(200)}`),
      header("Origin: http://localhost:3000", "Origin: http://elsewhere.example"),
      header("Idempotency-Key: a", "Idempotency-Key: "),
      header("X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4"),
      header("Expect: something", "Upgrade: websocket", "Content-Encoding: gzip", "Cookie: a=b"),
      header("Connection: close", "Connection: keep-alive"),
      header("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )
    .map((all) => all.flat())

const restOf = (tokens: ReadonlyArray<string>) =>
  fc
    .record({
      target: targets,
      method: mostly(oneOf(""), "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "GET"),
      // A target in absolute form, as proxies send it.
      host: mostly(oneOf(""), "http://a", "http://a:b@c"),
      suffix: mostly(oneOf(""), "/", "%20", "/x", "%2F", "//"),
      query: queries,
      version: mostly(oneOf("1.1"), "1.0"),
      headers: headersOf(
        tokens,
        mostly(
          oneOf("application/json"),
          "",
          "application/json; charset=utf-8",
          "text/plain",
          "application/jsonx",
        ),
      ),
      body: bodies,
      length: mostly(oneOf<Parts["length"]>("right"), "chunked", "none"),
    })
    .map(({ target: [usual = "", path = ""], host, method: other, suffix, ...parts }) => {
      const method = other === "" ? usual : other
      const hasBody = ["POST", "PATCH", "PUT"].includes(method) || parts.length === "chunked"
      // The document names 413 only where there is a payload.
      const isOverLimit = parts.body.length > 4096 && /export$|retry$/.test(path)
      const { headers, query, version } = parts
      return {
        method,
        path: `${host}${path}${suffix}`,
        query,
        version,
        headers,
        body: isOverLimit ? "{}" : parts.body,
        length: hasBody ? parts.length : "none",
      } satisfies Parts
    })

const calls = oneOf(
  frame("projects.list", { owner_id: people.ada }),
  frame("projects.get", { owner_id: people.ada, id: projectId }),
  frame("projects.create", { owner_id: people.ada, name: "From RPC" }),
  frame("users.get", { id: "nobody" }),
  frame("users.get", { id: people.ada }) + frame("users.get", { id: people.ada }, "2"),
  frame("projects.list", { owner_id: 5 }),
  frame("nothing"),
  frame("ai.stream", { user_id: people.ada, messages: [{ role: "user", content: "Hello" }] }),
  "",
  "{",
)

const rpc = fc
  .record({
    method: mostly(oneOf("POST"), "GET", "OPTIONS"),
    path: mostly(oneOf("/rpc"), "/rpc/", "/rpc;x"),
    query: mostly(oneOf(""), "?a=b"),
    version: mostly(oneOf("1.1"), "1.0"),
    headers: headersOf(
      [`Bearer ${rpcToken}`, `Bearer ${rpcToken}`, `bearer  ${rpcToken}`, "Bearer no", ""],
      mostly(oneOf("application/x-ndjson"), "application/json", ""),
    ),
    caller: header("X-Plinth-Caller: tests", "X-Plinth-Caller: NO", "X-Plinth-Timeout-Ms: 0"),
    body: calls,
    length: mostly(oneOf<Parts["length"]>("right"), "chunked"),
  })
  .map(({ body, caller, headers, length, method, path, query, version }): Parts => {
    const all = [...headers, ...caller]
    return { body, headers: all, length, method, path, query, version }
  })

layer(TestApp)("A request gets the same from the hot path and from the router", (it) => {
  const cases = [
    { name: "within its limits", limits: { RATE_LIMIT_DEFAULT: "5000/hour" }, expected: 0.25 },
    {
      name: "beyond its limits",
      limits: {
        RATE_LIMIT_DEFAULT: "4/hour",
        RATE_LIMIT_AUTH: "20/hour",
        PLAN_LIMITS: '{"free":{"projects":2,"api_requests":10}}',
      },
      expected: 0.25,
    },
  ] as const
  for (const { name, limits, expected } of cases) {
    it.effect(`status, head, body, log line, usage and metrics, ${name}`, () =>
      Effect.gen(function* () {
        const { sign } = yield* Tokens
        const tokenOf = (sub: string, expires_in = 3600) =>
          Effect.map(sign({ sub: UserId.make(sub), expires_in, purpose: "access" }), Redacted.value)
        const ada = yield* tokenOf(people.ada)
        const tokens = [
          `Bearer ${ada}`,
          `Bearer ${ada}`,
          `Bearer ${ada}`,
          `bearer  ${yield* tokenOf(people.ada, 1800)}`,
          `Bearer ${yield* tokenOf(people.root)}`,
          `Bearer ${yield* tokenOf(people.gone)}`,
          `Bearer ${yield* tokenOf(people.ada, 0)}`,
          `Bearer ${yield* tokenOf("a newcomer")}`,
          `Bearer ${ada.slice(0, -3)}AAA`,
          `Bearer ${ada}.x`,
          "Basic YTpi",
          "",
        ]
        const [hot, router] = yield* startBoth({
          RPC_TOKEN: rpcToken,
          BODY_LIMIT_BYTES: "4096",
          ...limits,
        })
        const request = fc.oneof(
          { weight: 4, arbitrary: restOf(tokens) },
          { weight: 1, arbitrary: rpc },
        )
        for (const parts of fc.sample(request, sample)) {
          const sent = requestOf(parts)
          const ours = yield* hot.outcomeOf(sent)
          assert.deepStrictEqual(ours, yield* router.outcomeOf(sent), sent.toString())
        }
        assert.deepStrictEqual(yield* hot.metrics, yield* router.metrics)
        assert.isAbove(hot.hot(), sample * expected)
        assert.strictEqual(router.hot(), 0)
      }),
    )
  }
})

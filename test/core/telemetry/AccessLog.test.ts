import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema, Scope } from "effect"
import { AccessLog, type AccessRecord } from "../../../src/core/telemetry/AccessLog.ts"
import { type Environment, Settings } from "../../../src/core/settings/Settings.ts"
import { version } from "../../../src/domain/Version.ts"

const staging: Environment = {
  ENVIRONMENT: "staging",
  PROJECT_NAME: 'Access "log"',
  SECRET_KEY: "0123456789abcdef-only-for-these-tests",
}

const request: AccessRecord = {
  timestamp: 1_750_000_000_007,
  request_id: "r-1",
  user_id: "ada",
  method: "GET",
  path: "/api/v1/app/projects/p1",
  endpoint: "/api/v1/app/projects/{id}",
  status_code: 200,
  duration_ms: 1.23456,
  client_ip: "::1",
  trace_id: "0af7651916cd43dd8448eb211c80319c",
  span_id: "b7ad6b7169203331",
}

/** Returns an access log, the text it has written so far, and `close`. */
const open = Effect.fnUntraced(function* (environment: Environment) {
  const written: Array<string> = []
  const scope = yield* Scope.make()
  const layer = AccessLog.layerTo({
    write: (lines, done) => {
      if (lines !== "") written.push(lines)
      done?.()
    },
  })
  const { write } = yield* Layer.buildWithScope(
    layer.pipe(Layer.provide(Settings.layerFrom(environment))),
    scope,
  ).pipe(Effect.flatMap((context) => Effect.provide(AccessLog, context)))
  return { write, written, close: Scope.close(scope, Exit.void) }
})

const lineOf = Effect.fnUntraced(function* (environment: Environment, record: AccessRecord) {
  const log = yield* open(environment)
  log.write(record)
  yield* log.close
  return log.written.join("")
})

const parse = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)),
)

describe("AccessLog", () => {
  it.effect("writes the documented fields", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(parse(yield* lineOf(staging, request)), {
        ...request,
        timestamp: "2025-06-15T15:06:40.007Z",
        level: "INFO",
        message: "request",
        service: 'Access "log"',
        environment: "staging",
        version,
        duration_ms: 1.23,
      })
    }),
  )

  it.effect("omits fields that the request does not have", () =>
    Effect.gen(function* () {
      const anonymous = { ...request, user_id: null, trace_id: null, span_id: null }
      const record = parse(yield* lineOf(staging, anonymous))
      for (const key of ["user_id", "trace_id", "span_id"]) assert.notProperty(record, key)
    }),
  )

  it.effect("writes one line per request, whatever the client sends", () =>
    Effect.gen(function* () {
      const hostile = '/a"b\\c\r\n{"level":"INFO"}\u0000\u001B[2J\u009B2J\u2028\uD800é'
      const record = {
        ...request,
        request_id: hostile,
        user_id: hostile,
        path: hostile,
        client_ip: hostile,
      }
      const line = yield* lineOf(staging, record)
      assert.notMatch(line.slice(0, -1), /[\p{Cc}\u2028]/u)
      const { request_id, user_id, path, client_ip } = parse(line)
      assert.deepStrictEqual([request_id, user_id, path, client_ip], Array(4).fill(hostile))

      const readable = yield* lineOf({ ...staging, ENVIRONMENT: "local" }, record)
      assert.notMatch(readable.slice(0, -1), /[\p{Cc}\u2028]/u)
    }),
  )

  it.effect("writes a readable line in the local environment", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* lineOf({ ...staging, ENVIRONMENT: "local" }, request),
        "15:06:40.007 INFO    GET /api/v1/app/projects/p1 200 1.23 ms r-1 ada\n",
      )
    }),
  )

  it.effect("writes nothing if LOG_LEVEL is above INFO, unless DEBUG is on", () =>
    Effect.gen(function* () {
      for (const LOG_LEVEL of ["WARNING", "ERROR"]) {
        assert.strictEqual(yield* lineOf({ ...staging, LOG_LEVEL }, request), "")
        assert.notStrictEqual(yield* lineOf({ ...staging, LOG_LEVEL, DEBUG: "on" }, request), "")
      }
    }),
  )

  it.effect("writes a full batch immediately, and the rest on close", () =>
    Effect.gen(function* () {
      const log = yield* open(staging)
      log.write(request)
      assert.deepStrictEqual(log.written, [])
      for (let at = 1; at < 100; at++) log.write(request)
      const before = log.written.length
      assert.isAtLeast(before, 1)
      assert.isAtLeast(log.written[0]?.length ?? 0, 16_384)
      yield* log.close
      assert.strictEqual(log.written.join("").split("\n").length, 101)
    }),
  )

  it.live("writes an incomplete batch after a short delay", () =>
    Effect.gen(function* () {
      const log = yield* open(staging)
      log.write(request)
      while (log.written.length === 0) yield* Effect.sleep("10 millis")
      yield* log.close
      assert.strictEqual(log.written.length, 1)
    }),
  )

  it("loses no line on close, even if the reader is slow", () => {
    assert.strictEqual(linesOf(5000, "yield* Scope.close(scope, Exit.void)"), 5000)
  })

  it("writes pending lines when the process exits", () => {
    assert.strictEqual(linesOf(40, ""), 40)
  })
})

/**
 * Counts the lines of a process that logs `count` records, runs `last` and exits. Its reader starts
 * after 1 s.
 */
const linesOf = (count: number, last: string) => {
  const program = `
    import { Effect, Exit, Layer, Scope } from "effect"
    import { AccessLog } from "./src/core/telemetry/AccessLog.ts"
    import { Settings } from "./src/core/settings/Settings.ts"
    Effect.runFork(Effect.gen(function* () {
      const scope = yield* Scope.make()
      const settings = Settings.layerFrom(${JSON.stringify(staging)})
      const context = yield* Layer.buildWithScope(Layer.provide(AccessLog.layer, settings), scope)
      const log = yield* Effect.provide(AccessLog, context)
      for (let n = 0; n < ${count}; n++) log.write(${JSON.stringify(request)})
      ${last}
      process.exit(0)
    }))`
  const { stdout } = spawnSync(
    "sh",
    ["-c", '"$0" --input-type=module --eval "$1" | (sleep 1; cat)', process.execPath, program],
    { encoding: "utf8", maxBuffer: 10_000_000 },
  )
  return stdout.split("\n").length - 1
}

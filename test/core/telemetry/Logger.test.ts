import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Redacted, Schema } from "effect"
import { SqlError } from "effect/sql"
import * as Logger from "../../../src/core/telemetry/Logger.ts"
import { type Environment, Settings } from "../../../src/core/settings/Settings.ts"
import { version } from "../../../src/domain/Version.ts"
import { RequestInfo } from "../../../src/domain/RequestInfo.ts"
import { UserId } from "../../../src/domain/users/User.ts"
import { hostileValues } from "../../fixtures/data/HostileValues.ts"

const staging: Environment = {
  ENVIRONMENT: "staging",
  PROJECT_NAME: "Log test",
  SECRET_KEY: "0123456789abcdef-only-for-these-tests",
}
const local: Environment = { ...staging, ENVIRONMENT: "local" }

/** The bytes that the process writes for what the effect logs. */
const written = (environment: Environment, effect: Effect.Effect<void>, colours = false) =>
  Effect.gen(function* () {
    let text = ""
    const output = {
      write: (line: string, done?: () => void) => {
        text += line
        done?.()
      },
      hasColors: () => colours,
    }
    yield* effect.pipe(
      Effect.provide(Logger.layerTo(output).pipe(Layer.provide(Settings.layerFrom(environment)))),
    )
    return text
  })

const parse = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)),
)

/** Parses the one record that the effect logs. */
const recordOf = (effect: Effect.Effect<void>) =>
  Effect.map(written(staging, effect), (text) => {
    assert.match(text, /^[^\n]+\n$/)
    return parse(text)
  })

const jwt = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.${"s".repeat(43)}`

/** Texts that leak a secret; "canary" marks what must be redacted. */
const leaks = [
  "password=canary",
  'password: "canary in words"',
  "DB_PASSWORD=canary",
  "SECRET_KEY: canary",
  "client_secret='canary, too'",
  "?token=canary&x=1",
  "api-key=canary",
  '{\\"password\\":\\"canary\\"}',
  "Authorization: Bearer canary",
  "Authorization: Basic canarycanary",
  "postgres://ada:canary@db/plinth",
  "postgresql+asyncpg://ada:ca/n@canary@db/plinth",
  "redis://:canary@cache",
  "https://ada:canary@example.com/keys",
  `eyJhbGciOiJub25lIn0.canary.`,
  `canarycanarycanary.canarycanary.canarycanarycanary`,
]

describe("Logger", () => {
  it.effect("writes the documented fields, without empty ones", () =>
    Effect.gen(function* () {
      const { timestamp, ...rest } = yield* recordOf(
        Effect.logWarning("kept").pipe(Effect.annotateLogs({ attempts: 3, "a key": ["b"] })),
      )
      assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.deepStrictEqual(rest, {
        level: "WARNING",
        message: "kept",
        service: "Log test",
        environment: "staging",
        version,
        attempts: 3,
        "a key": ["b"],
      })
    }),
  )

  it.effect("adds the request, its user and its span", () =>
    Effect.gen(function* () {
      const record = yield* recordOf(
        Effect.logInfo("in a request").pipe(
          Effect.withSpan("span"),
          Effect.provideService(RequestInfo, {
            request_id: "r-1",
            ip_address: null,
            user_id: UserId.make("ada"),
            caller: "billing",
          }),
        ),
      )
      assert.deepInclude(record, { request_id: "r-1", user_id: "ada" })
      assert.match(String(record["trace_id"]), /^[0-9a-f]{32}$/)
      assert.match(String(record["span_id"]), /^[0-9a-f]{16}$/)
    }),
  )

  it.effect("reports a database error without the value that it quotes", () =>
    Effect.gen(function* () {
      const cause = Object.assign(new Error('invalid input syntax for type integer: "canary"'), {
        code: "22P02",
        detail: "canary",
      })
      const reason = new SqlError.UnknownError({ cause, message: "Query failed" })
      const error = new SqlError.SqlError({ reason })
      const line = yield* written(staging, Effect.logError("broken", Cause.die(error)))
      const { message, traceback } = parse(line)["exception"] as Readonly<Record<string, string>>
      assert.strictEqual(message, "invalid input syntax for type integer (22P02)")
      assert.include(traceback, "invalid input syntax for type integer (22P02)")
      assert.notInclude(line, "canary")
      const short = yield* written(staging, Effect.logError("broken", error))
      assert.include(short, "invalid input syntax for type integer (22P02)")
      assert.notInclude(short, "canary")
    }),
  )

  it.effect("reports an exception with its type, message and traceback", () =>
    Effect.gen(function* () {
      const failure = new RangeError(`no such thing: ${jwt}`, {
        cause: new Error("below, with password=canary"),
      })
      const { level, exception } = yield* recordOf(
        Effect.die(failure).pipe(Effect.catchCause((cause) => Effect.logError("failed", cause))),
      )
      assert.strictEqual(level, "ERROR")
      const { traceback, ...rest } = exception as Readonly<Record<string, string>>
      assert.deepStrictEqual(rest, { type: "RangeError", message: "no such thing: <token>" })
      assert.match(traceback ?? "", /Logger\.test\.ts:\d+/)
      assert.include(traceback, "below, with password=<redacted>")
      assert.notMatch(traceback ?? "", /canary|eyJ/)
    }),
  )

  it.effect("renames annotations that collide with its own fields", () =>
    Effect.gen(function* () {
      const record = yield* recordOf(
        Effect.logInfo("mine").pipe(Effect.annotateLogs({ level: "x", exception: "y" })),
      )
      assert.deepInclude(record, {
        level: "INFO",
        message: "mine",
        annotation_level: "x",
        annotation_exception: "y",
      })
    }),
  )

  it.effect("writes values that JSON cannot represent", () =>
    Effect.gen(function* () {
      const circle: Record<string, unknown> = { name: "circle" }
      circle["self"] = circle
      const broken = {
        toJSON: () => {
          throw new Error("broken")
        },
      }
      const record = yield* recordOf(
        Effect.logInfo("odd", { a: 1 }).pipe(
          Effect.annotateLogs({ circle, broken, big: 10n, error: new TypeError("t") }),
        ),
      )
      assert.deepInclude(record, {
        message: 'odd {"a":1}',
        circle: { name: "circle" },
        broken: "<unprintable>",
        big: "10",
        error: "TypeError: t",
      })
    }),
  )

  for (const [kind, make] of Object.entries(hostileValues)) {
    it.effect(`writes a line and does not throw for ${kind}`, () =>
      Effect.gen(function* () {
        const logs = [
          Effect.logInfo(make()),
          Effect.logInfo("annotated").pipe(Effect.annotateLogs({ value: make() })),
          Effect.die(make()).pipe(Effect.catchCause((cause) => Effect.logError("c", cause))),
        ]
        for (const log of logs) {
          yield* recordOf(log)
          assert.notStrictEqual(yield* written(local, log), "")
        }
      }),
    )
  }

  for (const environment of [staging, local]) {
    it.effect(`redacts secrets in ${environment["ENVIRONMENT"]}`, () =>
      Effect.gen(function* () {
        const redacted = Redacted.make("canary")
        const annotations = {
          redacted,
          headers: { Authorization: "canary", deep: [{ refresh_token: "canary" }] },
        }
        const text = yield* written(
          environment,
          Effect.forEach(
            leaks,
            (leak) =>
              Effect.all([
                Effect.logInfo(leak),
                Effect.logInfo("annotated").pipe(
                  Effect.annotateLogs({ ...annotations, leak, deep: { leaks: [leak] } }),
                ),
                Effect.logInfo("object", { redacted, leak }),
                Effect.logError("failed", new Error(leak)),
                Effect.die(new Error("outer", { cause: new Error(leak) })).pipe(
                  Effect.catchCause((cause) => Effect.logError("died", cause)),
                ),
              ]),
            { discard: true },
          ),
        )
        assert.notMatch(text, /canary/i)
        assert.include(text, "<redacted>")
      }),
    )
  }

  it("does not redact text that only resembles a secret", () => {
    for (const text of [
      "METRICS_TOKEN is not set",
      "at Tokens.verify (file:///app/src/core/identity/Tokens.ts:58:13)",
      "InvalidTokenError: expired",
      "http://localhost:8000/docs",
      "src/business.projects.repository",
      "npm run -s cli -- token mint --sub ada --email ada@example.com",
    ]) {
      assert.strictEqual(Logger.scrub(text), text)
    }
  })

  it("scans hostile text in linear time", { timeout: 5000 }, () => {
    // In quadratic time, each of these would take minutes.
    for (const part of ["a", "Ab1-", "aaaaaaaa.", "eyJaaaaaaaa.", "://a:"]) {
      const text = part.repeat(Math.ceil(60_000 / part.length))
      assert.isString(Logger.scrub(text))
    }
  })

  it.effect("honours LOG_LEVEL, and DEBUG over it", () =>
    Effect.gen(function* () {
      const all = Effect.all([
        Effect.logDebug("d"),
        Effect.logInfo("i"),
        Effect.logWarning("w"),
        Effect.logError("e"),
      ]).pipe(Effect.asVoid)
      const levels = (more: Environment) =>
        Effect.map(written({ ...staging, ...more }, all), (text) =>
          Array.from(text.matchAll(/"level":"(\w+)"/g), ([, level]) => level),
        )
      assert.deepStrictEqual(yield* levels({}), ["INFO", "WARNING", "ERROR"])
      assert.deepStrictEqual(yield* levels({ LOG_LEVEL: "WARNING" }), ["WARNING", "ERROR"])
      assert.deepStrictEqual(yield* levels({ LOG_LEVEL: "ERROR" }), ["ERROR"])
      assert.strictEqual((yield* levels({ LOG_LEVEL: "DEBUG" })).length, 4)
      assert.strictEqual((yield* levels({ LOG_LEVEL: "ERROR", DEBUG: "true" })).length, 4)
    }),
  )

  it.effect(
    "writes readable lines in the local environment, with colours only where supported",
    () =>
      Effect.gen(function* () {
        const log = Effect.logInfo("listening").pipe(Effect.annotateLogs({ url: "http://x", n: 1 }))
        const plain = yield* written(local, log)
        assert.match(plain, /^\d\d:\d\d:\d\d\.\d{3} INFO {4}listening url=http:\/\/x n=1\n$/)
        const coloured = yield* written(local, log, true)
        assert.isTrue(coloured.startsWith("\u001B[2m"))
      }),
  )

  it.effect("writes one line per record, whatever it contains", () =>
    Effect.gen(function* () {
      const forged = "x\n12:00:00.000 INFO    forged\r\u2028\u001B[2J\u009B2J"
      const log = Effect.logInfo(forged).pipe(Effect.annotateLogs({ forged }))
      for (const environment of [staging, local]) {
        assert.strictEqual((yield* written(environment, log)).split("\n").length, 2)
      }
      assert.notMatch((yield* written(local, log)).trimEnd(), /[\p{Cc}\u2028]/u)
      const failed = yield* written(
        local,
        Effect.die(new Error(forged)).pipe(
          Effect.catchCause((cause) => Effect.logError("failed", cause)),
        ),
      )
      assert.include(failed, "forged")
      assert.notMatch(failed, /^12:00:00/m)
      assert.notMatch(failed.replaceAll("\n", ""), /[\p{Cc}\u2028]/u)
    }),
  )
})

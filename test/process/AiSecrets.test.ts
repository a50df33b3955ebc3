import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type AiVendor, vendors } from "../fixtures/vendors/AiVendors.ts"
import { Collector } from "../fixtures/servers/Collector.ts"
import { processTimeoutMs } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving, tokens } from "../fixtures/processes/Serving.ts"
import * as StreamServer from "../fixtures/servers/StreamServer.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import * as TestDatabase from "../TestDatabase.ts"

/** True for a line with the marker that only keys, prompts and answers contain. */
const isSecret = (line: string) => /canary/i.test(line)
const asked = "canary asked"
const answered = "canary answered"

const json = (status: number, body: unknown): StreamServer.Script => ({
  status,
  headers: { "content-type": "application/json" },
  parts: [typeof body === "string" ? body : JSON.stringify(body)],
  last: "end",
})

const stream = (parts: ReadonlyArray<string>, last: "end" | "cut"): StreamServer.Script => ({
  parts,
  last,
})

const wholeOf = ({ answer }: AiVendor) =>
  json(200, JSON.stringify(answer).replaceAll("Hello", answered))

/** All failures of a vendor, with words of the prompt or of the answer in them. */
const failuresOf = (vendor: AiVendor): ReadonlyArray<readonly [boolean, StreamServer.Script]> => {
  const refused = (status: number, code = "canary_code") =>
    json(status, vendor.error(`You said: ${asked}`, code))
  const events = vendor.events([answered])
  const begun = events.slice(0, events.findIndex((event) => event.includes(answered)) + 1)
  const answers = [
    refused(400),
    refused(400, "content_policy_violation"),
    refused(400, "context_length_exceeded"),
    refused(401),
    refused(404),
    refused(429),
    refused(500),
    json(500, `<h1>${asked}</h1>`),
    json(200, { canary: answered }),
    json(200, `{"broken": "${answered}`),
  ]
  return [
    ...answers.flatMap((script) => [[false, script] as const, [true, script] as const]),
    [true, stream(begun, "cut")],
    [true, stream(begun, "end")],
    [true, stream([...begun, `data: {"canary": "${answered}\n\n`], "end")],
    [
      true,
      stream([...begun, `data: ${JSON.stringify(vendor.error(answered, "canary"))}\n\n`], "end"),
    ],
  ]
}

layer(Layer.mergeAll(tokens, TestDatabase.layer), { excludeTestServices: true })(
  "Logs, metrics and traces of AI calls",
  (it) => {
    it.effect.each(vendors)(
      "contain neither prompt, answer nor API key, whatever $provider does",
      (vendor) =>
        Effect.gen(function* () {
          const { state, url } = yield* StreamServer.make
          const collector = yield* Collector
          const { port, stop } = yield* serving({
            ...vendor.environment(url),
            DATABASE_URL: yield* TestDatabase.TestDatabase,
            ENVIRONMENT: "staging",
            LOG_LEVEL: "DEBUG",
            METRICS_TOKEN: "metrics-token-of-this-test",
            OTEL_ENABLED: "true",
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
            RATE_LIMIT_AI: "1000000/second",
          })
          const token = yield* tokenFor(newUser())
          const ask = (script: StreamServer.Script, streaming: boolean, key?: string) =>
            Effect.suspend(() => {
              Object.assign(state, { script, requests: [] })
              return sendTo(port, {
                path: "/api/v1/app/ai/chat",
                token,
                json: { prompt: asked, system: asked, model: vendor.model, stream: streaming },
                ...(key !== undefined && { headers: { "Idempotency-Key": key } }),
              })
            })
          const whole = wholeOf(vendor)

          assert.include((yield* ask(whole, false, "k")).text, answered)
          assert.include((yield* ask(whole, false, "k")).text, answered)
          const streamed = { parts: vendor.events([answered, "."]), last: "end" } as const
          assert.include((yield* ask(streamed, true)).text, answered)
          for (const [streaming, script] of failuresOf(vendor)) {
            // Two successes keep the breaker closed.
            for (let n = 0; n < 2; n += 1) {
              assert.strictEqual((yield* ask(whole, false)).status, 200)
            }
            const { status, text } = yield* ask(script, streaming)
            assert.isAbove(state.requests.length, 0)
            if (status !== 200) assert.notMatch(text, /canary/i)
          }

          // The answer to store is a parameter of the statement that fails.
          const sql = yield* SqlClient.SqlClient
          const unsettled = yield* Effect.acquireUseRelease(
            sql`ALTER TABLE usage_events RENAME TO renamed`,
            () => ask(whole, false, "unsettled"),
            () => Effect.orDie(sql`ALTER TABLE renamed RENAME TO usage_events`),
          )
          assert.strictEqual(unsettled.status, 500)

          const metrics = yield* sendTo(port, {
            path: "/api/v1/public/metrics",
            token: "metrics-token-of-this-test",
          })
          const { code, stderr, stdout } = yield* stop
          assert.strictEqual(code, 0)
          assert.include(stdout, '"message":"request"')
          assert.include(stdout, '"exception"')
          assert.include(stdout, "AI provider rejected our API key")
          assert.include(metrics.text, `llm_requests_total{provider="${vendor.provider}"`)
          assert.include(collector.text(), "gen_ai.usage.output_tokens")
          for (const output of [stdout, stderr, metrics.text, collector.text()]) {
            assert.deepStrictEqual(output.split("\n").filter(isSecret), [])
          }
        }).pipe(Effect.provide(Layer.fresh(Collector.layer))),
      processTimeoutMs,
    )
  },
)

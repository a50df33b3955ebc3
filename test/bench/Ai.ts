// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { spawn } from "node:child_process"
import { Agent, request } from "node:http"
import { createInterface } from "node:readline"
import OpenAI from "openai"
import { type Server, start as startServer } from "./Processes.ts"
import { report } from "./Report.ts"
import { alternating, inTurn } from "./Rounds.ts"
import { writer } from "./Seed.ts"
import { tokenOf } from "./Tokens.ts"
import { promptOf, thinking } from "./Thinking.ts"

/**
 * Compares the gateway with the vendor's own SDK on the same provider: the time it adds to a call,
 * beside a bare hop; the CPU per streamed chunk; the chunks per second of one process; and whether
 * memory grows with the number of streams.
 */

const rounds = 5
const parallel = 20
const calls = 1000
const streams = 20
const manyStreams = 10_000

export const measureAi = async (
  database: string,
  start: (env: Readonly<Record<string, string>>) => Promise<Server>,
) => {
  const provider = spawn(process.execPath, ["test/bench/AiMock.ts"], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  const url = `${await firstLine(provider.stdout)}/v1`
  const gateway = await start({
    OPENAI_API_KEY: "bench",
    OPENAI_BASE_URL: url,
    RATE_LIMIT_AI: "1000000/second",
    PLAN_LIMITS: '{"free":{"ai_tokens":1000000000,"api_requests":null}}',
  })
  const hop = await startServer({
    name: "hop",
    entry: "test/bench/BareHop.ts",
    env: { OPENAI_BASE_URL: url },
  })
  process.stdout.write(`ai: on ${database}\n`)
  try {
    const sdk = new OpenAI({ apiKey: "bench", baseURL: url, maxRetries: 0 })
    await compareCalls({ gateway, hop, sdk })
    await compareStreams({ gateway, sdk })
    await measureMemory(gateway)
  } finally {
    await hop.stop()
    await gateway.stop()
    provider.kill()
  }
}

const firstLine = async (output: NodeJS.ReadableStream) => {
  for await (const line of createInterface({ input: output })) return line
  throw new Error("the provider did not start")
}

interface Contestants {
  readonly gateway: Server
  readonly sdk: OpenAI
}

const compareCalls = async ({ gateway, hop, sdk }: Contestants & { readonly hop: Server }) => {
  const agent = new Agent({ keepAlive: true })
  const through = ({ port }: Server) => ({
    call: (prompt: string) => ask({ port, agent, prompt, stream: false }),
  })
  const direct = { call: (prompt: string) => sdk.chat.completions.create(bodyOf(prompt)) }
  const latencies = await alternating([through(gateway), through(hop), direct], rounds, median)
  const [ours = [], theirs = [], sdkTimes = []] = latencies
  const added = (times: ReadonlyArray<number>) =>
    times.map((time, at) => time - (sdkTimes[at] ?? Number.NaN))
  report("ai: call by the SDK, p50", sdkTimes, "ms", 2)
  report("ai: added by the gateway, p50", added(ours), "ms", 2)
  report("ai: added by a bare hop, p50", added(theirs), "ms", 2)
  agent.destroy()
}

const compareStreams = async ({ gateway, sdk }: Contestants) => {
  const agent = new Agent({ keepAlive: true })
  const through = {
    stream: () => ask({ port: gateway.port, agent, prompt: "long", stream: true }),
    cpu: gateway.cpu,
  }
  const direct = {
    stream: async () => {
      let chunks = 0
      const parts = await sdk.chat.completions.create({
        ...bodyOf("long"),
        stream: true,
        stream_options: { include_usage: true },
      })
      for await (const _ of parts) chunks += 1
      return chunks
    },
    cpu: () => {
      const { system, user } = process.cpuUsage()
      return (system + user) / 1e6
    },
  }
  const flows = await alternating([through, direct], rounds, async ({ cpu, stream }) => {
    const [begun, before] = [performance.now(), cpu()]
    const counts = await Promise.all(Array.from({ length: streams }, stream))
    const chunks = counts.reduce((sum, count) => sum + count, 0)
    const seconds = (performance.now() - begun) / 1000
    return { rate: chunks / seconds, cost: ((cpu() - before) / chunks) * 1e6 }
  })
  for (const [at, name] of ["the gateway", "the SDK"].entries()) {
    const flow = flows[at] ?? []
    report(
      `ai: chunks through ${name}`,
      flow.map(({ rate }) => rate),
      "/s",
      0,
    )
    report(
      `ai: CPU of a chunk, ${name}`,
      flow.map(({ cost }) => cost),
      "µs",
    )
  }
  agent.destroy()
}

/**
 * Returns the median time of `calls` calls, `parallel` at a time, without the model's own time, in
 * ms.
 */
const median = async ({ call }: { readonly call: (prompt: string) => Promise<unknown> }) => {
  // All callers share one iterator: each takes the next item after its answer.
  const waits = Array.from({ length: calls }, (_, at) => thinking[(at * 20) % thinking.length] ?? 0)
  const rest = waits.values()
  const caller = () =>
    Array.fromAsync(rest, async (wait) => {
      const begun = performance.now()
      await call(promptOf(wait))
      return performance.now() - begun - wait
    })
  const times = (await Promise.all(Array.from({ length: parallel }, caller))).flat()
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
}

/** Prints the memory after each tenth of the streams. */
const measureMemory = async (gateway: Server) => {
  const agent = new Agent({ keepAlive: true })
  const sizes = await inTurn(Array.from({ length: 10 }), async () => {
    await Promise.all(
      Array.from({ length: streams }, () =>
        inTurn(Array.from({ length: manyStreams / 10 / streams }), () =>
          ask({ port: gateway.port, agent, prompt: "short", stream: true }),
        ),
      ),
    )
    return gateway.memory().now
  })
  agent.destroy()
  const shown = sizes.map((size) => size.toFixed(0)).join(" ")
  process.stdout.write(`ai: memory after each tenth of ${manyStreams} streams, MiB: ${shown}\n`)
}

const bodyOf = (content: string) => ({
  model: "gpt-4o",
  messages: [{ role: "user" as const, content }],
})

const d = 100

/** Returns the approximate number of events, or 1 if the answer is not a stream. */
const ask = ({ agent, port, prompt, stream }: Call) =>
  new Promise<number>((resolve, reject) => {
    const body = JSON.stringify({ prompt, model: "gpt-4o", max_tokens: 4096, stream })
    const outgoing = request(
      {
        agent,
        port,
        host: "127.0.0.1",
        method: "POST",
        path: "/api/v1/app/ai/chat",
        headers: {
          authorization: `Bearer ${tokenOf(writer)}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (incoming) => {
        let events = 0
        let end = ""
        incoming.on("data", (chunk: Buffer) => {
          // The texts contain no d, so that only `data` has one.
          for (const byte of chunk) if (byte === d) events += 1
          end = chunk.toString("latin1").slice(-200)
        })
        incoming.on("end", () => {
          const isWhole = stream ? end.endsWith("data: [DONE]\n\n") : incoming.statusCode === 200
          if (isWhole) resolve(stream ? events : 1)
          else reject(new Error(`${incoming.statusCode}: ${end}`))
        })
      },
    )
    outgoing.on("error", reject)
    outgoing.end(body)
  })

interface Call {
  readonly agent: Agent
  readonly port: number
  readonly prompt: string
  readonly stream: boolean
}

// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { spawn } from "node:child_process"
import { Agent, request } from "node:http"
import { createInterface } from "node:readline"
import { callOf, textOf } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { reportCost, reportRatio } from "./Report.ts"
import { inTurn } from "./Rounds.ts"
import { reader, writer } from "./Seed.ts"
import { tokenOf } from "./Tokens.ts"
import { cpuPerRequest } from "./Windows.ts"

/**
 * Compares the same method over REST and RPC on one server in one run: CPU per call.
 * Then prints whether its memory grows with the items of streams.
 */

const rpcToken = "a-token-of-the-bench-0123456789-abcdef"
const rounds = 24
const streams = 400

const path = "/api/v1/app/projects"
const project = { name: " Analytical engine ", description: "Computes Bernoulli numbers" }

const methods = [
  {
    name: "projects.list",
    rest: { text: textOf("GET", `${path}?limit=20`, { token: tokenOf(reader) }), status: 200 },
    rpc: callOf(rpcToken, "projects.list", { owner_id: reader, limit: 20 }),
  },
  {
    name: "projects.create",
    rest: {
      text: textOf("POST", path, { token: tokenOf(writer), body: JSON.stringify(project) }),
      status: 201,
    },
    rpc: callOf(rpcToken, "projects.create", { owner_id: writer, ...project }),
  },
  {
    name: "usage.currentPeriod",
    rest: {
      text: textOf("GET", "/api/v1/app/usage/current-period", { token: tokenOf(reader) }),
      status: 200,
    },
    rpc: callOf(rpcToken, "usage.currentPeriod", { user_id: reader }),
  },
]

type Start = (env: Readonly<Record<string, string>>) => Promise<Server>

export const measureRpc = async (database: string, start: Start) => {
  const provider = spawn(process.execPath, ["test/bench/AiMock.ts"], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  const url = `${await firstLine(provider.stdout)}/v1`
  const server = await start({
    RPC_TOKEN: rpcToken,
    OPENAI_API_KEY: "bench",
    OPENAI_BASE_URL: url,
    PLAN_LIMITS: '{"free":{"projects":null,"api_requests":null,"ai_tokens":null}}',
  })
  try {
    await inTurn(methods, ({ name, rest, rpc }) =>
      compare(`${database} ${name}`, server, [rest, { text: rpc, status: 200 }]),
    )
    await measureStreams(database, server)
  } finally {
    await server.stop()
    provider.kill()
  }
}

const firstLine = async (output: NodeJS.ReadableStream) => {
  for await (const line of createInterface({ input: output })) return line
  throw new Error("the provider did not start")
}

type Door = { readonly text: string; readonly status: number }

const compare = async (name: string, server: Server, doors: ReadonlyArray<Door>) => {
  const contestants = doors.map((door) => ({ server, ...door }))
  const [rest = [], rpc = []] = await cpuPerRequest(contestants, rounds)
  reportRatio(`${name} RPC / REST`, rpc, rest)
  reportCost(`${name} REST`, rest)
  reportCost(`${name} RPC`, rpc)
}

/** Prints the memory after each tenth of the streams. */
const measureStreams = async (database: string, { memory, port }: Server) => {
  const agent = new Agent({ keepAlive: true })
  const counts: Array<number> = []
  const sizes = await inTurn(Array.from({ length: 10 }), async () => {
    const some = Array.from({ length: 4 }, () =>
      inTurn(Array.from({ length: streams / 40 }), () => itemsOf(agent, port)),
    )
    counts.push(...(await Promise.all(some)).flat())
    return memory().now
  })
  agent.destroy()
  const shown = sizes.map((size) => size.toFixed(0)).join(" ")
  process.stdout.write(
    `${database} memory after each tenth of ${streams} streams of ${Math.min(...counts)} items, MiB: ${shown}\n`,
  )
}

/** Returns the number of items in a stream. */
const itemsOf = (agent: Agent, port: number) =>
  new Promise<number>((resolve, reject) => {
    const payload = {
      user_id: reader,
      model: "gpt-4o",
      messages: [{ role: "user", content: "long" }],
    }
    const call = request(
      {
        agent,
        port,
        method: "POST",
        path: "/rpc",
        headers: { authorization: `Bearer ${rpcToken}`, "content-type": "application/x-ndjson" },
      },
      (response) => {
        let items = 0
        response.on("data", (chunk: Buffer) => {
          items += chunk.toString("latin1").split('"_tag":"delta"').length - 1
        })
        response.on("end", () => resolve(items))
      },
    )
    call.on("error", reject)
    call.end(JSON.stringify({ _tag: "Request", id: "1", tag: "ai.stream", payload }))
  })

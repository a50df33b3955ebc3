// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { callOf, load, type Request, textOf } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { inTurn } from "./Rounds.ts"
import { writer } from "./Seed.ts"
import { tokenOf } from "./Tokens.ts"

const rpcToken = "a-token-of-the-bench-0123456789-abcdef"
const size = 1_000_000
const requests = 40

/** Repeats a part up to 1 MB. */
const filled = (start: string, part: (n: number) => string, end: string) => {
  const parts: Array<string> = []
  for (let left = size - start.length - end.length; left > 0; left -= parts.at(-1)?.length ?? 0) {
    parts.push(`${part(parts.length)},`)
  }
  return `${start}${parts.slice(0, -1).join("").slice(0, -1)}${end}`
}

const ai = "/api/v1/app/ai/completions"
const projects = "/api/v1/app/projects"
const text = "a".repeat(size - 20_000)

/** Name, path, body and expected status. */
const bodies = [
  ["340,000 wrong items", ai, filled('{"messages":[', () => "1", "]}"), 400],
  ["60,000 wrong items", ai, filled('{"messages":[', () => '"aaaaaaaaaaaaaa"', "]}"), 422],
  [
    "1000 wrong items beside a long text",
    ai,
    `{"messages":[${"{},".repeat(999)}{}],"x":"${text}"}`,
    422,
  ],
  [
    "45,000 objects for a text",
    projects,
    filled('{"name":[', () => '{"a":"bcdefghijklmn"}', "]}"),
    422,
  ],
  ["70,000 keys", projects, filled("{", (n) => `"key${n}":1`, "}"), 422],
  ["escaped keys", projects, filled("{", (n) => `"\\u0061\\u0062${n}":1`, "}"), 422],
  [
    "keys that are nearly __proto__",
    projects,
    filled("{", (n) => `"\\u005f_prot${n}__":1`, "}"),
    422,
  ],
  [
    "__proto__ at the end",
    projects,
    filled("{", (n) => `"key${n}":1`, ',"\\u005f_proto__":1}'),
    400,
  ],
  ["60 levels", projects, filled('{"x":[', () => `${"[".repeat(60)}${"]".repeat(60)}`, "]}"), 400],
  ["quotes in a text", projects, `{"name":"${'\\"'.repeat(size / 2 - 20)}"}`, 422],
  ["a long number", projects, `{"name":${"1".repeat(size - 20)}}`, 422],
  ["white space", projects, `{"name":1${" ".repeat(size - 20)}}`, 422],
  ["a long text", projects, `{"name":"${text}"}`, 422],
  ["a payload of 70,000 values", "/rpc", filled("[", () => '"aaaaaaaaaa"', "]"), 200],
] as const

/**
 * Prints how long a hostile body of 1 MB blocks the server's thread, as a multiple of `JSON.parse`
 * of that body. Subtracts the CPU time for receiving 1 MB of blanks, which is spread over many
 * turns of the event loop.
 */
export const measureHostileBodies = async (
  start: (env: Readonly<Record<string, string>>) => Promise<Server>,
) => {
  const server = await start({ RATE_LIMIT_AI: "1000000/second", RPC_TOKEN: rpcToken })
  const token = tokenOf(writer)
  const blank = textOf("POST", projects, { token, body: " ".repeat(size) })
  const receiving = await cpuMillis(server, { port: server.port, text: blank, status: 400 })
  process.stdout.write(`receiving 1 MB of blanks: ${receiving.toFixed(1)} ms\n`)
  await inTurn(bodies, async ([name, path, body, status]) => {
    const request = {
      port: server.port,
      text:
        path === "/rpc"
          ? callOf(rpcToken, "jobs.enqueue", {
              name: "cleanup_old_data",
              payload: JSON.parse(body),
            })
          : textOf("POST", path, { token, body }),
      status,
    }
    server.resetPeak()
    const memory = server.memory().now
    const used = (await cpuMillis(server, request)) - receiving
    const grown = server.memory().peak - memory
    const parsed = parseMillis(body)
    process.stdout.write(
      `${name.padEnd(38)} ${used.toFixed(1).padStart(6)} ms, JSON.parse ${parsed.toFixed(1).padStart(5)} ms, ratio ${(used / parsed).toFixed(1)}, memory +${grown.toFixed(0)} MiB\n`,
    )
  })
  await server.stop()
}

const cpuMillis = async (server: Server, request: Request) => {
  await load(request, 10, 1)
  const before = server.cpu()
  await load(request, requests, 10)
  return ((server.cpu() - before) / requests) * 1000
}

const parseMillis = (body: string) => {
  const parse = (times: number) => {
    const before = process.cpuUsage()
    for (let n = 0; n < times; n += 1) JSON.parse(body)
    const { system, user } = process.cpuUsage(before)
    return (user + system) / 1000 / times
  }
  parse(5)
  return parse(20)
}

import { LLMock } from "@copilotkit/aimock"

/** Providers by others, in a process of their own: tells its address, and ends with whoever started it. */

/** Half a second of a model that thinks would hide nothing, and takes long: a fifth of that. */
const thinking = 100

const mock = new LLMock({ port: 0, chunkSize: 5, latency: 0, logLevel: "silent" })
const usage = (completion_tokens: number) => ({
  prompt_tokens: 3,
  completion_tokens,
  total_tokens: 3 + completion_tokens,
})
mock.onMessage("short", { content: "tick ".repeat(20), usage: usage(20) })
mock.onMessage("long", { content: "tick ".repeat(2000), usage: usage(2000) })
mock.onMessage(
  "think",
  { content: "Hi there!", usage: usage(4) },
  { chaos: { latencyMs: thinking } },
)
await mock.start()
process.stdout.write(`${mock.url}\n`)
process.stdin.on("end", () => process.exit(0)).resume()

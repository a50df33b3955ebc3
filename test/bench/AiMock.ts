import { LLMock } from "@copilotkit/aimock"
import { promptOf, thinking } from "./Thinking.ts"

/**
 * Runs third-party mock providers in their own process: prints their URL, and exits with its
 * parent.
 */

const mock = new LLMock({ port: 0, chunkSize: 5, latency: 0, logLevel: "silent" })
const usage = (completion_tokens: number) => ({
  prompt_tokens: 3,
  completion_tokens,
  total_tokens: 3 + completion_tokens,
})
mock.onMessage("short", { content: "tick ".repeat(20), usage: usage(20) })
mock.onMessage("long", { content: "tick ".repeat(2000), usage: usage(2000) })
for (const latencyMs of thinking) {
  mock.onMessage(promptOf(latencyMs), { content: "Hi!", usage: usage(4) }, { chaos: { latencyMs } })
}
await mock.start()
process.stdout.write(`${mock.url}\n`)
process.stdin.on("end", () => process.exit(0)).resume()

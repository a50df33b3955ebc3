// @effect-diagnostics asyncFunction:off processEnv:off -- benchmarks are plain async code
import { createServer, type IncomingMessage } from "node:http"
import OpenAI from "openai"

/**
 * The cost of a hop by itself: node:http around the vendor's SDK, without authentication,
 * validation or storage.
 */

const sdk = new OpenAI({
  apiKey: "bench",
  baseURL: process.env["OPENAI_BASE_URL"],
  maxRetries: 0,
})

const answer = async (incoming: IncomingMessage) => {
  const chunks = await Array.fromAsync(incoming, (chunk: Buffer) => chunk)
  if (chunks.length === 0) return "{}"
  const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
  const { model, prompt } = Object(body)
  const { choices, usage } = await sdk.chat.completions.create({
    model: String(model),
    messages: [{ role: "user", content: String(prompt) }],
  })
  return JSON.stringify({ content: choices[0]?.message.content, usage })
}

const server = createServer((incoming, outgoing) => {
  void answer(incoming).then((text) => {
    outgoing.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    })
    outgoing.end(text)
  })
}).listen(Number(process.env["PORT"]), "127.0.0.1")

process.once("SIGTERM", () => {
  server.close()
  server.closeAllConnections()
})

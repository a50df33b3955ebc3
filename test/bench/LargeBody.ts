// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { connect } from "node:net"
import { setTimeout } from "node:timers/promises"
import { load, textOf } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { inTurn } from "./Rounds.ts"
import { writer } from "./Seed.ts"
import { tokenOf } from "./Tokens.ts"

const path = "/api/v1/app/projects"
const hundredMegabytes = 100_000_000

/** Prints the answer to an unwanted body of 100 MB, and the growth of the server's memory. */
export const measureLargeBody = async (start: () => Promise<Server>) => {
  const server = await start()
  const token = tokenOf(writer)
  await load({ port: server.port, text: textOf("GET", path, { token }), status: 200 }, 2000)
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`
  const framings = [`Content-Length: ${hundredMegabytes}`, "Transfer-Encoding: chunked"]
  await inTurn(framings, async (framing) => {
    server.resetPeak()
    const before = server.memory().now
    const status = await pour(server.port, `${head}${framing}\r\n\r\n`, framing.startsWith("T"))
    const grown = server.memory().peak - before
    process.stdout.write(`100 MB body, ${framing}: ${status}, memory +${grown.toFixed(1)} MiB\n`)
  })
  await server.stop()
}

/** Sends 100 MB as fast as the server reads, ignoring the answer; returns its status line. */
const pour = (port: number, head: string, chunked: boolean) =>
  new Promise<string>((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" })
    const part = Buffer.alloc(65_536, "a")
    const framed = chunked
      ? Buffer.concat([Buffer.from("10000\r\n"), part, Buffer.from("\r\n")])
      : part
    let answer = ""
    let sent = 0
    const end = () => {
      socket.destroy()
      resolve(`${answer.split("\r\n")[0]} after ${Math.round(sent / 1e6)} MB`)
    }
    const send = () => {
      while (sent < hundredMegabytes && !socket.destroyed) {
        sent += part.length
        if (!socket.write(framed)) return
      }
      if (sent >= hundredMegabytes) setTimeout(500).then(end, end)
    }
    socket.on("data", (data) => (answer += data.toString("latin1")))
    socket.on("drain", send)
    socket.on("error", () => undefined)
    socket.on("close", end)
    socket.write(head)
    send()
  })

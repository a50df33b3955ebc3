// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { connect, type Socket } from "node:net"

/** A client cheap enough not to slow down the server: one request text, counted answers. */

export interface Request {
  readonly port: number
  readonly text: string
  /** The expected status of every answer. */
  readonly status: number
}

export const textOf = (
  method: string,
  path: string,
  options: { readonly token?: string; readonly body?: string; readonly type?: string } = {},
) => {
  const { token, body, type = "application/json" } = options
  const lines = [`${method} ${path} HTTP/1.1`, "Host: 127.0.0.1"]
  if (token !== undefined) lines.push(`Authorization: Bearer ${token}`)
  if (body !== undefined) {
    lines.push(`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`)
  }
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`
}

/** Returns an RPC request as text. */
export const callOf = (token: string, tag: string, payload: object) =>
  textOf("POST", "/rpc", {
    token,
    body: `${JSON.stringify({ _tag: "Request", id: "1", tag, payload, headers: [] })}\n`,
    type: "application/x-ndjson",
  })

/**
 * Sends the request `count` times over `connections` kept-alive connections, one at a time on each.
 */
export const load = async (request: Request, count: number, connections = 32) => {
  const state = { left: count }
  await Promise.all(
    Array.from({ length: Math.min(connections, count) }, () => pump(request, state)),
  )
}

/** Sends one request; returns status, headers (names in lower case, in order) and body. */
export const ask = async (request: Omit<Request, "status">) => {
  let answer = ""
  await pump({ ...request, status: 0 }, { left: 1 }, (text) => (answer = text))
  const [head = "", body = ""] = answer.split(/\r\n\r\n([^]*)/, 2)
  const [line = "", ...fields] = head.split("\r\n")
  return {
    status: Number(line.split(" ")[1]),
    headers: Object.fromEntries(
      fields.map((field) => {
        const colon = field.indexOf(":")
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 2)]
      }),
    ),
    body,
  }
}

const pump = (
  { port, text, status }: Request,
  state: { left: number },
  onAnswer: (text: string) => void = () => undefined,
) =>
  new Promise<void>((resolve, reject) => {
    const expected = `HTTP/1.1 ${status} `
    const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true })
    let received = ""
    const next = () => {
      if (state.left <= 0) {
        socket.end()
        resolve()
        return
      }
      state.left -= 1
      socket.write(text)
    }
    socket.setEncoding("latin1")
    socket.on("connect", next)
    socket.on("error", reject)
    socket.on("close", () => reject(new Error("the connection was closed")))
    socket.on("data", (data) => {
      received += String(data)
      const head = received.indexOf("\r\n\r\n")
      if (head === -1) return
      const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, head))?.[1] ?? "0"
      if (received.length < head + 4 + Number(length)) return
      if (status !== 0 && !received.startsWith(expected)) {
        socket.destroy()
        reject(new Error(`not a ${status}: ${received.slice(0, 500)}`))
        return
      }
      onAnswer(received)
      received = ""
      next()
    })
  })

// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { connect, type Socket } from "node:net"

/** A client cheap enough not to slow down the server: texts made before, counted answers. */

/** One text for all requests, or a function that returns the next one. */
export type Source = string | (() => string)

export interface Request {
  readonly port: number
  readonly text: Source
  /** The expected status of every answer. */
  readonly status: number
}

/** Returns the texts one after the other, and then from the start again. */
export const cycle = (texts: ReadonlyArray<string>) => {
  let at = -1
  return () => texts[(at += 1) % texts.length] ?? ""
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

/** Connections that stay open between the measurements. */
export interface Client {
  /** Sends the request `count` times, one at a time on each connection. */
  readonly send: (request: Omit<Request, "port">, count: number) => Promise<void>
  readonly close: () => void
}

export const open = async (port: number, connections: number): Promise<Client> => {
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(port)))
  return {
    send: async (request, count) => {
      const state = { left: count }
      await Promise.all(sockets.map((socket) => pump(socket, request, state)))
    },
    close: () => {
      for (const socket of sockets) socket.end()
    },
  }
}

/** Sends the request `count` times over `connections` new connections. */
export const load = async ({ port, ...request }: Request, count: number, connections = 32) => {
  const client = await open(port, Math.min(connections, count))
  await client.send(request, count)
  client.close()
}

/** Sends one request; returns status, headers (names in lower case, in order) and body. */
export const ask = async ({ port, text }: Omit<Request, "status">) => {
  let answer = ""
  const socket = await connected(port)
  await pump(socket, { text, status: 0 }, { left: 1 }, (received) => (answer = received))
  socket.end()
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

const connected = (port: number) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true })
    socket.setEncoding("latin1")
    socket.once("error", reject)
    socket.once("connect", () => {
      // A failure between two measurements is reported by the next one.
      socket.off("error", reject).on("error", () => undefined)
      resolve(socket)
    })
  })

const pump = (
  socket: Socket,
  { text, status }: Omit<Request, "port">,
  state: { left: number },
  onAnswer: (text: string) => void = () => undefined,
) =>
  new Promise<void>((resolve, reject) => {
    const expected = `HTTP/1.1 ${status} `
    let received = ""
    const end = (error?: Error) => {
      socket.off("data", receive).off("close", closed)
      if (error === undefined) resolve()
      else reject(error)
    }
    const closed = () => end(new Error("the connection was closed"))
    const next = () => {
      if (state.left <= 0) return end()
      state.left -= 1
      socket.write(typeof text === "string" ? text : text())
    }
    const receive = (data: unknown) => {
      received += String(data)
      const head = received.indexOf("\r\n\r\n")
      if (head === -1) return
      const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, head))?.[1] ?? "0"
      if (received.length < head + 4 + Number(length)) return
      if (status !== 0 && !received.startsWith(expected)) {
        socket.destroy()
        return end(new Error(`not a ${status}: ${received.slice(0, 500)}`))
      }
      onAnswer(received)
      received = ""
      next()
    }
    socket.on("data", receive)
    socket.on("close", closed)
    if (socket.destroyed) closed()
    else next()
  })

import { type IpcSocketConnectOpts, Socket, type TcpSocketConnectOpts } from "node:net"

/** Creates the sockets of the pools, because a pool does not report how many it has open. */
export class Sockets {
  private readonly sessions = new Set<Socket>()
  private readonly address: TcpSocketConnectOpts | IpcSocketConnectOpts

  constructor(address: string) {
    const url = new URL(address)
    const host = url.searchParams.get("host") ?? decodeURIComponent(url.hostname)
    const port = Number(url.searchParams.get("port") ?? (url.port || 5432))
    this.address = host.startsWith("/")
      ? { path: `${host}/.s.PGSQL.${port}` }
      : { host: host.replace(/^\[(.*)\]$/, "$1"), port }
  }

  /** Opens a socket for a new session. */
  connect(onClose: () => void): Socket {
    const socket = new Socket()
    socket.setNoDelay(true).setKeepAlive(true, 30_000).connect(this.address)
    batchWrites(socket)
    // Counted from the server's first byte: a socket that only carries a cancel request gets none, and is no session.
    socket.once("data", () => this.sessions.add(socket))
    socket.once("close", () => {
      this.sessions.delete(socket)
      onClose()
    })
    return socket
  }

  /** The number of sessions that the server has accepted. */
  get open() {
    return this.sessions.size
  }
}

/**
 * Collects the writes of one turn of the event loop into one: several requests share a connection, and a write for
 * each costs more than its statement. Call it after `connect`, which replaces `write`.
 */
const batchWrites = (socket: Socket) => {
  const write = socket.write.bind(socket) as (...args: ReadonlyArray<unknown>) => boolean
  let isCorked = false
  const flush = () => {
    isCorked = false
    socket.uncork()
  }
  socket.write = (...args: ReadonlyArray<unknown>) => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      setImmediate(flush)
    }
    return write(...args)
  }
}

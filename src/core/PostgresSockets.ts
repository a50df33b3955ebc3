import { type IpcSocketConnectOpts, Socket, type TcpSocketConnectOpts } from "node:net"

/** The sockets of the pools, made here because a pool does not tell how many it has open. */
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

  /** A socket of a session-to-be. */
  connect(onClose: () => void): Socket {
    const socket = new BatchingSocket()
    socket.setNoDelay(true).setKeepAlive(true, 30_000).connect(this.address)
    // Not before it is spoken to: one that only asks for a statement to be cancelled never is, and is no session.
    socket.once("data", () => this.sessions.add(socket))
    socket.once("close", () => {
      this.sessions.delete(socket)
      onClose()
    })
    return socket
  }

  /** Sessions that the server has, too. */
  get open() {
    return this.sessions.size
  }
}

/**
 * What the requests of one turn of the event loop have to say to the server, said at once: statements of several
 * share a connection, and a write of its own for each costs more than the statement.
 */
class BatchingSocket extends Socket {
  private batching = false
  private readonly send = () => {
    this.batching = false
    this.uncork()
  }

  override write(chunk: string | Uint8Array, ...rest: ReadonlyArray<never>): boolean {
    if (!this.batching) {
      this.batching = true
      this.cork()
      setImmediate(this.send)
    }
    return super.write(chunk, ...rest)
  }
}

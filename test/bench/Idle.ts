// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { resolve } from "node:path"
import { setTimeout } from "node:timers/promises"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { DatabaseKind } from "./Databases.ts"
import { load, open } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { inTurn } from "./Rounds.ts"
import { directory, startFastify, startPlinth } from "./Servers.ts"
import { list, withOneToken } from "./Works.ts"

const connections = 1000
/** The memory of a server grows during its first requests. */
const warmUp = 20_000

/**
 * Prints the memory per idle connection that has made one request. Resident memory is what a server
 * has by itself; its heap is measured in another process, after a collection of garbage.
 */
export const measureIdle = async (database: DatabaseKind) => {
  const DATABASE_URL = await database.create("idle")
  const heapFile = join(directory, "heap")
  const env = {
    DATABASE_URL,
    HEAP_FILE: heapFile,
    NODE_OPTIONS: `--import=${resolve("test/bench/HeapUsed.ts")}`,
  }
  await inTurn([startPlinth, startFastify], async (start) => {
    const resident = await grown(await start({ DATABASE_URL }), ({ memory }) =>
      Promise.resolve(memory().now * 1024),
    )
    const heap = await grown(await start(env), ({ pid }) => heapOf(pid, heapFile))
    process.stdout.write(
      `idle connection, ${resident.name}: resident memory ${resident.kilobytes} KiB, heap ${heap.kilobytes} KiB\n`,
    )
  })
}

/** Returns by how much a figure of the server, in KiB, grows per connection. Stops the server. */
const grown = async (server: Server, measure: (server: Server) => Promise<number>) => {
  const request = { status: 200, text: withOneToken(list) }
  try {
    await load({ ...request, port: server.port }, warmUp)
    await setTimeout(1000)
    const before = await measure(server)
    const client = await open(server.port, connections)
    await client.send(request, connections)
    await setTimeout(1000)
    const after = await measure(server)
    client.close()
    return { name: server.name, kilobytes: ((after - before) / connections).toFixed(1) }
  } finally {
    await server.stop()
  }
}

/** Asks `HeapUsed.ts` in the server for its heap, in KiB. */
const heapOf = async (pid: number, file: string): Promise<number> => {
  process.kill(pid, "SIGUSR2")
  await written(file)
  const used = Number(readFileSync(file, "utf8"))
  rmSync(file)
  return used / 1024
}

const written = async (file: string): Promise<void> => {
  if (existsSync(file)) return
  await setTimeout(20)
  await written(file)
}

// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { setTimeout } from "node:timers/promises"
import { open, type Source } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { alternating, inTurn } from "./Rounds.ts"

/** One kind of requests to one server. */
export interface Contestant {
  readonly server: Server
  readonly text: Source
  readonly status: number
}

/** Fewer requests in a row would measure cold caches. */
const requests = 500
const connections = 32
/** V8 has compiled the code of a request after these rounds. */
const warmUp = 4

/** The number of requests that each contestant receives; no text comes twice if there are as many. */
export const requestsOf = (rounds: number) => (warmUp + rounds) * requests

/**
 * Returns the CPU of the main thread per request in µs, by contestant and round: windows of 500
 * requests over 32 connections, in turn.
 */
export const cpuPerRequest = async (contestants: ReadonlyArray<Contestant>, rounds: number) => {
  const clients = await inTurn(contestants, async (contestant) => ({
    ...contestant,
    client: await open(contestant.server.port, connections),
  }))
  const run = async ({ client, server, ...request }: (typeof clients)[number]) => {
    const before = server.mainThreadCpu()
    await client.send(request, requests)
    // The server still has work after its last answer.
    await setTimeout(5)
    return ((server.mainThreadCpu() - before) / requests) * 1e6
  }
  try {
    return await alternating(clients, rounds, run, warmUp)
  } finally {
    for (const { client } of clients) client.close()
  }
}

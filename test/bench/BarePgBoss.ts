// @effect-diagnostics asyncFunction:off -- what measures Effect is not written in it
import { PgBoss } from "pg-boss"

/** pg-boss by itself, as its documentation has it, on its own driver and with as many connections as ours. */
export interface Bare {
  /** Sends jobs, as many at once as are told. */
  readonly send: (count: number, concurrency: number) => Promise<void>
  /** Until so many have been done. */
  readonly work: (count: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/**
 * `single`: ten workers of one job each, which look for the next as soon as they have ended one, so that no job waits
 * for another, as none of ours does. `batches`: one worker, which takes ten and settles them together when the last has ended.
 */
export type Way = "single" | "batches"

const queue = "bench"

export const startBare = async (connectionString: string, way: Way): Promise<Bare> => {
  const boss = new PgBoss({ connectionString, max: 10, useListenNotify: true, schedule: false })
  boss.on("error", (error) => process.stderr.write(`${error.message}\n`))
  await boss.start()
  await boss.createQueue(queue, { notify: true, heartbeatSeconds: 10, retryLimit: 2 })

  const send = async (count: number, concurrency: number) => {
    // One iterator for all: each sender takes the next when it has sent.
    const numbers = Array.from({ length: count }, (_, n) => n).values()
    const sender = () => Array.fromAsync(numbers, (n) => boss.send(queue, { n }))
    await Promise.all(Array.from({ length: concurrency }, sender))
  }

  const single = async (done: (jobs: number) => void) => {
    const one = async () => {
      const id: string = await boss.work(queue, { batchSize: 1 }, () => {
        done(1)
        boss.notifyWorker(id)
        return Promise.resolve()
      })
    }
    await Promise.all(Array.from({ length: 10 }, one))
  }

  const batches = async (done: (jobs: number) => void) => {
    const options = { batchSize: 10, perJobResults: true, burstWhenBatchFull: true } as const
    await boss.work(queue, options, (jobs) => {
      done(jobs.length)
      return Promise.resolve(jobs.map(({ id }) => ({ id, status: "completed" as const })))
    })
  }

  const work = async (count: number) => {
    let left = count
    const all = Promise.withResolvers<void>()
    const done = (jobs: number) => {
      left -= jobs
      if (left <= 0) all.resolve()
    }
    await (way === "single" ? single(done) : batches(done))
    await all.promise
    await boss.offWork(queue)
  }

  return { send, work, stop: () => boss.stop({ graceful: true, timeout: 5000 }) }
}

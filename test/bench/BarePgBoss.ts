// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { PgBoss } from "pg-boss"

/** pg-boss by itself, used as documented, with its own driver and as many connections as ours. */
export interface BareQueue {
  /** Sends `count` jobs, `concurrency` at a time. */
  readonly send: (count: number, concurrency: number) => Promise<void>
  /** Works until `count` jobs are done. */
  readonly work: (count: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/**
 * `single`: ten workers of one job each, which fetch the next job immediately after one has ended,
 * so that no job waits for another, as in ours. `batches`: one worker, which fetches ten and
 * settles them together after the last.
 */
export type WorkMode = "single" | "batches"

const queue = "bench"

export const startBare = async (connectionString: string, mode: WorkMode): Promise<BareQueue> => {
  const boss = new PgBoss({ connectionString, max: 10, useListenNotify: true, schedule: false })
  boss.on("error", (error) => process.stderr.write(`${error.message}\n`))
  await boss.start()
  await boss.createQueue(queue, { notify: true, heartbeatSeconds: 10, retryLimit: 2 })

  const send = async (count: number, concurrency: number) => {
    // All senders share one iterator: each takes the next item after sending.
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
    await (mode === "single" ? single(done) : batches(done))
    await all.promise
    await boss.offWork(queue)
  }

  return { send, work, stop: () => boss.stop({ graceful: true, timeout: 5000 }) }
}

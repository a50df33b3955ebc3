import { Console, Effect, Option } from "effect"
import { toOneLine } from "../domain/Email.ts"
import { NotFoundError } from "../domain/Errors.ts"
import { Job, type JobState } from "../domain/Job.ts"
import { PlinthRpc } from "../rpc/RpcClient.ts"
import { confirm } from "./Confirmation.ts"
import { explained as explainedWith, explanation } from "./Explained.ts"
import { plain, print, untilStopped } from "./Output.ts"
import { results } from "./Results.ts"
import { hasColors } from "./Style.ts"
import { list as lines, table } from "./Table.ts"

interface Json {
  readonly json: boolean
}

interface One extends Json {
  readonly id: string
}

interface Listing extends Json {
  readonly state: Option.Option<JobState>
  readonly name: Option.Option<string>
  readonly cursor: Option.Option<string>
  readonly limit: number
}

export const list = Effect.fnUntraced(function* (options: Listing) {
  const rpc = yield* PlinthRpc
  const { cursor, json, limit, name, state } = options
  const page = yield* rpc("jobs.list", {
    limit,
    ...(Option.isSome(state) && { state: state.value }),
    ...(Option.isSome(name) && { name: name.value }),
    ...(Option.isSome(cursor) && { cursor: cursor.value }),
  })
  yield* print(json, results["jobs list"], page, formatForPeople)
}, explained)

export const show = Effect.fnUntraced(function* (options: One) {
  const rpc = yield* PlinthRpc
  yield* printJob(options, yield* rpc("jobs.get", { id: options.id }))
}, explained)

interface Counting extends Json {
  readonly watch: boolean
  /** In seconds. */
  readonly interval: number
}

export const stats = Effect.fnUntraced(function* ({ interval, json, watch }: Counting) {
  const rpc = yield* PlinthRpc
  const count = rpc("jobs.stats", {})
  if (!watch) return yield* print(json, results["jobs stats"], yield* count, lines)
  const show = Effect.flatMap(count, (counts) =>
    json ? Console.log(JSON.stringify(counts)) : repaint(lines(counts)),
  )
  // A service that is being deployed is there again soon.
  const again = show.pipe(
    Effect.catch((error) => Console.error(`plinth: ${explanation(error)}`)),
    Effect.delay(`${interval} seconds`),
    Effect.forever,
  )
  return yield* untilStopped(Effect.andThen(show, again))
}, explained)

/** In place of what was there, on a terminal that can; below it anywhere else. */
const repaint = (text: string) =>
  Console.log(hasColors("stdout") ? `\u001B[H\u001B[2J${text}` : text)

interface Enqueue extends Json {
  readonly name: string
  readonly payload: Option.Option<unknown>
  /** In seconds. */
  readonly delay: number
  readonly priority: number
  readonly uniqueKey: Option.Option<string>
}

export const enqueue = Effect.fnUntraced(function* (options: Enqueue) {
  const rpc = yield* PlinthRpc
  const { delay, name, payload, priority, uniqueKey } = options
  const { created, job } = yield* rpc("jobs.enqueue", {
    name,
    payload: Option.getOrNull(payload),
    delay_seconds: delay,
    priority,
    ...(Option.isSome(uniqueKey) && { unique_key: uniqueKey.value }),
  })
  if (!created)
    yield* Console.error("plinth: a job of this kind with this key waits or runs already")
  yield* printJob(options, job)
}, explained)

export const retry = Effect.fnUntraced(function* (options: One) {
  const rpc = yield* PlinthRpc
  yield* printJob(options, yield* rpc("jobs.retry", { id: options.id }))
}, explained)

export const cancel = Effect.fnUntraced(function* (options: One & { readonly yes: boolean }) {
  const rpc = yield* PlinthRpc
  const { id, name, state } = yield* rpc("jobs.get", { id: options.id })
  yield* confirm(options.yes, `Cancel ${name} ${id}, which is ${state}?`)
  yield* printJob(options, yield* rpc("jobs.cancel", { id }))
}, explained)

const printJob = ({ json }: Json, job: Job) =>
  print(json, Job, job, ({ payload, result, ...rest }) =>
    lines({
      ...rest,
      payload: JSON.stringify(payload),
      result: result === null ? null : JSON.stringify(result),
    }),
  )

const columns = ["id", "name", "state", "attempts", "run_at", "finished_at", "error"] as const

const formatForPeople = ({ items, next_cursor }: (typeof results)["jobs list"]["Encoded"]) => {
  if (items.length === 0) return "No jobs"
  const rows = table(
    columns,
    items.map(({ attempts, error, finished_at, id, max_attempts, name, run_at, state }) => [
      id,
      name,
      state,
      `${attempts}/${max_attempts}`,
      run_at,
      finished_at,
      // All of it is in `show`.
      error === null ? null : toOneLine(error, 80),
    ]),
  )
  return next_cursor === null ? rows : `${rows}\n\nMore: --cursor ${next_cursor}`
}

/** What failed, as one line for each thing that is wrong. */
function explained<A, E extends Error, R>(self: Effect.Effect<A, E, R>) {
  return explainedWith((error) =>
    error instanceof NotFoundError ? `no job has the id ${plain(error.id)}` : undefined,
  )(self)
}

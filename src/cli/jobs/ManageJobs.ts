import { Console, Effect, Option } from "effect"
import { toOneLine } from "../../domain/Email.ts"
import { NotFoundError } from "../../domain/Errors.ts"
import { Job, type JobState } from "../../domain/jobs/Job.ts"
import { PlinthRpc } from "../../rpc/RpcClient.ts"
import { confirm } from "../Confirmation.ts"
import { explain, explainErrors } from "../Explanation.ts"
import { printable, print, untilStopped } from "../Output.ts"
import { results } from "../Results.ts"
import { hasColors } from "../Style.ts"
import { keyValues, table } from "../Table.ts"

interface OutputOptions {
  readonly json: boolean
}

interface JobOptions extends OutputOptions {
  readonly id: string
}

interface ListOptions extends OutputOptions {
  readonly state: Option.Option<JobState>
  readonly name: Option.Option<string>
  readonly cursor: Option.Option<string>
  readonly limit: number
}

export const list = Effect.fnUntraced(function* (options: ListOptions) {
  const rpc = yield* PlinthRpc
  const { cursor, json, limit, name, state } = options
  const page = yield* rpc("jobs.list", {
    limit,
    ...(Option.isSome(state) && { state: state.value }),
    ...(Option.isSome(name) && { name: name.value }),
    ...(Option.isSome(cursor) && { cursor: cursor.value }),
  })
  yield* print(json, results["jobs list"], page, formatForPeople)
}, explainJobErrors)

export const show = Effect.fnUntraced(function* (options: JobOptions) {
  const rpc = yield* PlinthRpc
  yield* printJob(options, yield* rpc("jobs.get", { id: options.id }))
}, explainJobErrors)

interface StatsOptions extends OutputOptions {
  readonly watch: boolean
  /** Seconds. */
  readonly interval: number
}

export const stats = Effect.fnUntraced(function* ({ interval, json, watch }: StatsOptions) {
  const rpc = yield* PlinthRpc
  const count = rpc("jobs.stats", {})
  if (!watch) return yield* print(json, results["jobs stats"], yield* count, keyValues)
  const show = Effect.flatMap(count, (counts) =>
    json ? Console.log(JSON.stringify(counts)) : repaint(keyValues(counts)),
  )
  // An error does not end the watch: a service that is being deployed will answer again.
  const keepShowing = show.pipe(
    Effect.catch((error) => Console.error(`plinth: ${explain(error)}`)),
    Effect.delay(`${interval} seconds`),
    Effect.forever,
  )
  return yield* untilStopped(Effect.andThen(show, keepShowing))
}, explainJobErrors)

/** Clears a capable terminal before printing; elsewhere prints below the last output. */
const repaint = (text: string) =>
  Console.log(hasColors("stdout") ? `\u001B[H\u001B[2J${text}` : text)

interface EnqueueOptions extends OutputOptions {
  readonly name: string
  readonly payload: Option.Option<unknown>
  /** Seconds. */
  readonly delay: number
  readonly priority: number
  readonly uniqueKey: Option.Option<string>
}

export const enqueue = Effect.fnUntraced(function* (options: EnqueueOptions) {
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
    yield* Console.error("plinth: a job of this kind with this key is already waiting or running")
  yield* printJob(options, job)
}, explainJobErrors)

export const retry = Effect.fnUntraced(function* (options: JobOptions) {
  const rpc = yield* PlinthRpc
  yield* printJob(options, yield* rpc("jobs.retry", { id: options.id }))
}, explainJobErrors)

export const cancel = Effect.fnUntraced(function* (
  options: JobOptions & { readonly yes: boolean },
) {
  const rpc = yield* PlinthRpc
  const { id, name, state } = yield* rpc("jobs.get", { id: options.id })
  yield* confirm(options.yes, `Cancel the ${state} job ${name} ${id}?`)
  yield* printJob(options, yield* rpc("jobs.cancel", { id }))
}, explainJobErrors)

const printJob = ({ json }: OutputOptions, job: Job) =>
  print(json, Job, job, ({ payload, result, ...rest }) =>
    keyValues({
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
      // `show` prints it in full.
      error === null ? null : toOneLine(error, 80),
    ]),
  )
  return next_cursor === null ? rows : `${rows}\n\nMore: --cursor ${next_cursor}`
}

function explainJobErrors<A, E extends Error, R>(self: Effect.Effect<A, E, R>) {
  return explainErrors((error) =>
    error instanceof NotFoundError ? `no job has the id ${printable(error.id)}` : undefined,
  )(self)
}

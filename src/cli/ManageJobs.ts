import { Console, Duration, Effect, Option } from "effect"
import { Jobs } from "../business/Jobs.ts"
import { oneLine } from "../domain/Email.ts"
import { NotFoundError, ValidationError } from "../domain/Errors.ts"
import type { Job, JobState } from "../domain/Job.ts"
import type { CursorPage, Position } from "../domain/Page.ts"
import { confirm } from "./Confirmation.ts"
import { CommandFailed, list as lines, plain, print, table } from "./Output.ts"

interface Json {
  readonly json: boolean
}

interface One extends Json {
  readonly id: string
}

interface Listing extends Json {
  readonly state: Option.Option<JobState>
  readonly name: Option.Option<string>
  readonly cursor: Option.Option<Position>
  readonly limit: number
}

export const list = Effect.fnUntraced(function* (options: Listing) {
  const jobs = yield* Jobs
  const { cursor, json, limit, name, state } = options
  const page = yield* jobs.list({
    limit,
    ...(Option.isSome(state) && { state: state.value }),
    ...(Option.isSome(name) && { name: name.value }),
    ...(Option.isSome(cursor) && { cursor: cursor.value }),
  })
  yield* print(json, page, people)
}, explained)

export const show = Effect.fnUntraced(function* (options: One) {
  const jobs = yield* Jobs
  yield* printJob(options, yield* jobs.get(options.id))
}, explained)

export const stats = Effect.fnUntraced(function* ({ json }: Json) {
  const jobs = yield* Jobs
  yield* print(json, yield* jobs.stats, lines)
}, explained)

interface Enqueue extends Json {
  readonly name: string
  readonly payload: Option.Option<unknown>
  /** In seconds. */
  readonly delay: number
  readonly priority: number
  readonly uniqueKey: Option.Option<string>
}

export const enqueue = Effect.fnUntraced(function* (options: Enqueue) {
  const jobs = yield* Jobs
  const { delay, name, payload, priority, uniqueKey } = options
  const { created, job } = yield* jobs.enqueue("operator", name, Option.getOrNull(payload), {
    delay: Duration.seconds(delay),
    priority,
    ...(Option.isSome(uniqueKey) && { uniqueKey: uniqueKey.value }),
  })
  if (!created)
    yield* Console.error("plinth: a job of this kind with this key waits or runs already")
  yield* printJob(options, job)
}, explained)

export const retry = Effect.fnUntraced(function* (options: One) {
  const jobs = yield* Jobs
  yield* printJob(options, yield* jobs.retry("operator", options.id))
}, explained)

export const cancel = Effect.fnUntraced(function* (options: One & { readonly yes: boolean }) {
  const jobs = yield* Jobs
  const { id, name, state } = yield* jobs.get(options.id)
  yield* confirm(options.yes, `Cancel ${name} ${id}, which is ${state}?`)
  yield* printJob(options, yield* jobs.cancel("operator", id))
}, explained)

const printJob = ({ json }: Json, job: Job) =>
  print(json, job, ({ payload, result, ...rest }) =>
    lines({
      ...rest,
      payload: JSON.stringify(payload),
      result: result === null ? null : JSON.stringify(result),
    }),
  )

const columns = ["id", "name", "state", "attempts", "run_at", "finished_at", "error"] as const

const people = ({ items, next_cursor }: CursorPage<Job>) => {
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
      error === null ? null : oneLine(error, 80),
    ]),
  )
  return next_cursor === null ? rows : `${rows}\n\nMore: --cursor ${next_cursor}`
}

/** What failed, as one line for each thing that is wrong. */
function explained<A, E extends Error, R>(self: Effect.Effect<A, E, R>) {
  return Effect.mapError(self, (error) => new CommandFailed({ message: explanation(error) }))
}

const explanation = (error: Error) => {
  if (error instanceof NotFoundError) return `no job has the id ${plain(error.id)}`
  if (!(error instanceof ValidationError)) return error.message
  return error.issues.map(({ message, path }) => plain(`${path}: ${message}`)).join("\n")
}

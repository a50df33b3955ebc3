import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../api/Envelope.ts"
import { ConflictError, NotFoundError, ServiceUnavailableError } from "../domain/Errors.ts"
import { text, verbatim } from "../domain/Fields.ts"
import { Job, JobId, JobState, JobStats } from "../domain/Job.ts"
import { Cursor, CursorPage } from "../domain/Page.ts"
import { method, window } from "./Method.ts"

const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const
const writeErrors = [...readErrors, enveloped(ConflictError)] as const

/** A year, in seconds. */
const maxDelaySeconds = 31_536_000

/** What the methods take. */
export const input = {
  list: Schema.Struct({
    state: Schema.optionalKey(JobState),
    name: Schema.optionalKey(text({ max: 255, example: "send_welcome_email" }).input),
    cursor: Schema.optionalKey(Cursor),
    limit: window.limit,
  }),
  one: Schema.Struct({ id: JobId }),
  stats: Schema.Struct({}),
  enqueue: Schema.Struct({
    name: Schema.String,
    payload: Schema.Unknown.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
    delay_seconds: Schema.Int.check(
      Schema.isBetween({ minimum: 0, maximum: maxDelaySeconds }),
    ).pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
    priority: Schema.Int.check(Schema.isBetween({ minimum: -1000, maximum: 1000 })).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed(0)),
    ),
    unique_key: Schema.optionalKey(verbatim({ max: 255, example: "report-2026-11" })),
  }),
}

/** Work in the background. Of payloads and results nobody sees what is secret by its name. */
export class JobsRpcs extends RpcGroup.make(
  /** Newest first, those that ended included. */
  method("jobs.list", { input: input.list, success: CursorPage(Job), error: [unavailable] }),
  method("jobs.get", { input: input.one, success: Job, error: readErrors }),
  method("jobs.stats", { input: input.stats, success: JobStats, error: [unavailable] }),
  /** By the name of its kind. `created` is false while a job of that kind with that `unique_key` waits or runs. */
  method("jobs.enqueue", {
    input: input.enqueue,
    success: Schema.Struct({ job: Job, created: Schema.Boolean }),
    error: [unavailable],
  }),
  /** One that failed or was cancelled, under the same id. */
  method("jobs.retry", { input: input.one, success: Job, error: writeErrors }),
  /** One that has not ended; where it runs, it is interrupted within seconds. */
  method("jobs.cancel", { input: input.one, success: Job, error: writeErrors }),
) {}

import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../../http/Envelope.ts"
import * as Bounds from "../../domain/Bounds.ts"
import { ConflictError, NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { text, verbatim } from "../../domain/Fields.ts"
import { Job, JobId, JobState, JobStats } from "../../domain/jobs/Job.ts"
import { Cursor, CursorPage } from "../../domain/Page.ts"
import { method, window } from "../Method.ts"

const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const
const writeErrors = [...readErrors, enveloped(ConflictError)] as const

/** The inputs of the methods. */
export const input = {
  list: Schema.Struct({
    state: Schema.optionalKey(JobState),
    name: Schema.optionalKey(
      text({ max: Bounds.maxLength.jobName, example: "send_welcome_email" }).input,
    ),
    cursor: Schema.optionalKey(Cursor),
    limit: window.limit,
  }),
  byId: Schema.Struct({ id: JobId }),
  stats: Schema.Struct({}),
  enqueue: Schema.Struct({
    name: Schema.String,
    payload: Schema.Unknown.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
    delay_seconds: Bounds.integer(Bounds.jobDelaySeconds),
    priority: Bounds.integer(Bounds.jobPriority),
    unique_key: Schema.optionalKey(
      verbatim({ max: Bounds.maxLength.uniqueKey, example: "report-2026-11" }),
    ),
  }),
}

/** Background jobs. Values of payloads and results under keys that look secret are `<redacted>`. */
export class JobsRpcs extends RpcGroup.make(
  /** Returns jobs, newest first, including those that have ended. */
  method("jobs.list", { input: input.list, success: CursorPage(Job), error: [unavailable] }),
  method("jobs.get", { input: input.byId, success: Job, error: readErrors }),
  method("jobs.stats", { input: input.stats, success: JobStats, error: [unavailable] }),
  /** `name` is the kind of job. `created` is false while a job of this kind and `unique_key` is waiting or running. */
  method("jobs.enqueue", {
    input: input.enqueue,
    success: Schema.Struct({ job: Job, created: Schema.Boolean }),
    error: [unavailable],
  }),
  /** Runs a failed or cancelled job again, under the same id. */
  method("jobs.retry", { input: input.byId, success: Job, error: writeErrors }),
  /** Cancels a job that has not ended; a running job is interrupted within seconds. */
  method("jobs.cancel", { input: input.byId, success: Job, error: writeErrors }),
) {}

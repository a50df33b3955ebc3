import { Effect, Option, Schema } from "effect"
import type { Usage } from "../business/usage/Usage.ts"
import { JobFailed, type JobHandler } from "../core/jobs/Execution.ts"
import { UserId } from "../domain/users/User.ts"

/** Records each completed job about a user as usage of that user. The job's id is the source, so it counts once. */
export const metered =
  (usage: Usage["Service"]) =>
  (handler: JobHandler): JobHandler => ({
    ...handler,
    run: (payload, context) =>
      Effect.tap(handler.run(payload, context), () => {
        const user = userOf(payload)
        return Option.isNone(user)
          ? Effect.void
          : usage
              .recordOne({
                source: `job:${context.id}`,
                user_id: user.value,
                metric: "background_jobs",
                dimension: handler.type.identifier,
              })
              .pipe(Effect.mapError((cause) => new JobFailed({ cause })))
      }),
  })

const userOf = (payload: unknown) => Option.map(decodeUser(payload), ({ user_id }) => user_id)

const decodeUser = Schema.decodeUnknownOption(Schema.Struct({ user_id: UserId }))

import { Context, Effect, Layer } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { JobQueue, withoutSecrets } from "../../core/jobs/Queue.ts"
import { NotFoundError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import type { Job, JobId } from "../../domain/jobs/Job.ts"
import { ExportUserData, SendExportReadyEmail } from "../../domain/jobs/JobKinds.ts"
import type { UserId } from "../../domain/users/User.ts"
import { ExportsRepo } from "./ExportsRepo.ts"
import { Users } from "../users/Users.ts"

/** Exports of all data stored about a user, for that user. */
export class Exports extends Context.Service<
  Exports,
  {
    /** Enqueues an export. If one is already waiting or running, returns its job id. */
    readonly request: (
      user: UserId,
    ) => Effect.Effect<{ readonly job_id: JobId }, ServiceUnavailableError>
    /**
     * Collects the user's data, stores it until the next export or for 7 days, and notifies the user by e-mail. Leaves
     * out credentials, such as tokens for a password reset.
     */
    readonly make: (
      user: UserId,
    ) => Effect.Effect<{ readonly bytes: number }, NotFoundError | ServiceUnavailableError>
    /** Returns the last export as JSON text. */
    readonly get: (user: UserId) => Effect.Effect<string, NotFoundError | ServiceUnavailableError>
  }
>()("plinth/business/privacy/Exports") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* ExportsRepo
      const queue = yield* JobQueue
      const users = yield* Users
      const { transaction } = yield* Database

      const request = Effect.fn("Exports.request")((user: UserId) =>
        Effect.map(
          queue.enqueue(ExportUserData, { user_id: user }, { uniqueKey: user }),
          ({ id }) => ({ job_id: id }),
        ),
      )

      /** Reads all jobs of the user from the queue. */
      const jobsOf = Effect.fnUntraced(function* (user: UserId) {
        const found: Array<Job> = []
        let before: string | undefined
        while (true) {
          const page = yield* queue.list({
            limit: pageSize,
            user,
            ...(before !== undefined && { before }),
          })
          // Errors are left out, because they contain internal details for operators.
          found.push(...page.map((job) => ({ ...withoutSecrets(job), error: null })))
          before = page.at(-1)?.id
          if (page.length < pageSize) return found
        }
      })

      const make = Effect.fn("Exports.make")(function* (user: UserId) {
        yield* users.get(user)
        const tables = yield* repo.collect(user)
        const jobs = yield* jobsOf(user)
        const exported_at = yield* now
        const content = JSON.stringify({ exported_at, user_id: user, tables, jobs }, null, 2)
        yield* transaction(
          Effect.andThen(
            repo.put(user, content),
            queue.enqueue(SendExportReadyEmail, { user_id: user }),
          ),
        )
        return { bytes: Buffer.byteLength(content) }
      })

      const get = Effect.fn("Exports.get")(function* (user: UserId) {
        const stored = yield* repo.find(user)
        return stored?.content ?? (yield* new NotFoundError({ resource: "Export", id: user }))
      })

      return Exports.of({ request, make, get })
    }),
  )
}

const pageSize = 500

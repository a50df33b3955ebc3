import { Context, Effect, Layer } from "effect"
import { Database } from "../../core/sql/Database.ts"
import {
  ConflictError,
  type ServiceUnavailableError,
  ValidationError,
} from "../../domain/Errors.ts"
import { ago, now, type Timestamp } from "../../domain/Fields.ts"
import { IdempotencyRepo, type IdempotencyRow, type Scope } from "./IdempotencyRepo.ts"
import { personalData } from "../PersonalData.ts"

/** A request with an idempotency key. */
export interface IdempotentRequest extends Scope {
  /** A hash of the request: equal for the same request, different for any other. */
  readonly fingerprint: string
}

export type Answer = Pick<IdempotencyRow, "status" | "body">

/**
 * Requests that have one effect, however often they are sent. The answer is stored in the transaction of the effect, so
 * that both are committed or neither.
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Runs `effect`, or, if this request was answered before, converts the stored answer with `replay`. `answerOf`
     * returns null for a result that must not be stored; the key then stays free, as after a failure.
     */
    readonly once: <A, E, R>(
      request: IdempotentRequest,
      effect: Effect.Effect<A, E, R>,
      codec: {
        readonly answerOf: (result: A) => Answer | null
        readonly replay: (answer: Answer) => A
      },
    ) => Effect.Effect<A, E | ConflictError | ValidationError | ServiceUnavailableError, R>
  }
>()("plinth/business/idempotency/Idempotency") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* IdempotencyRepo
      const { transaction } = yield* Database
      const running = new Set<string>()

      const findAnswer = Effect.fnUntraced(function* (request: IdempotentRequest) {
        if (!(yield* repo.tryLock(request))) return yield* inProgress
        const row = yield* repo.find(request)
        if (row === undefined) return undefined
        if (row.created_at < (yield* validSince)) {
          yield* repo.remove(request)
          return undefined
        }
        return row.fingerprint === request.fingerprint ? row : yield* keyReused
      })

      const saveAnswer = Effect.fnUntraced(function* (
        request: IdempotentRequest,
        { body, status }: Answer,
      ) {
        const created_at = yield* now
        yield* Effect.catchTag(
          repo.insert({ ...request, status, body, created_at }),
          "ConflictError",
          () => inProgress,
        )
      })

      const once: Idempotency["Service"]["once"] = (request, effect, { answerOf, replay }) => {
        const run = Effect.gen(function* () {
          const stored = yield* findAnswer(request)
          if (stored !== undefined) return replay(stored)
          const result = yield* effect
          const answer = answerOf(result)
          if (answer !== null) yield* saveAnswer(request, answer)
          return result
        })
        return Effect.suspend(() => {
          const name = JSON.stringify([request.user_id, request.route, request.key])
          // Requests running in this process are found without a database connection.
          if (running.has(name)) return inProgress
          running.add(name)
          return Effect.ensuring(
            transaction(run),
            Effect.sync(() => running.delete(name)),
          )
        })
      }

      return Idempotency.of({ once })
    }),
  )
}

/** Keys created earlier have expired, even if clean-up has not deleted them yet. */
export const validSince: Effect.Effect<Timestamp> = ago(
  personalData.idempotency_keys.retention.period,
)

export const inProgress = Effect.suspend(() =>
  Effect.fail(new ConflictError({ resource: "Request", reason: "in_progress", retry_after: 1 })),
)

export const keyReused = Effect.suspend(() =>
  Effect.fail(invalidKey("was used for another request")),
)

export const invalidKey = (message: string) =>
  new ValidationError({ issues: [{ path: "Idempotency-Key", message }], field: "Idempotency-Key" })

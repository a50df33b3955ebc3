import { Context, Effect, Layer } from "effect"
import { Database } from "../core/Database.ts"
import { ConflictError, type ServiceUnavailableError, ValidationError } from "../domain/Errors.ts"
import { ago, now, type Timestamp } from "../domain/Fields.ts"
import { IdempotencyRepo, type IdempotencyRow, type Scope } from "./IdempotencyRepo.ts"
import { personalData } from "./PersonalData.ts"

/** A request that its client may send again. */
export interface IdempotentRequest extends Scope {
  /** The same for the same request, another for any other. */
  readonly fingerprint: string
}

export type Answer = Pick<IdempotencyRow, "status" | "body">

/**
 * Requests that have one effect however often they come. The answer is kept in the transaction of its effect: either
 * both are there, or neither.
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Runs `effect`, unless this request has been answered: then `replay` makes of that answer what it would have
     * given. `answerOf` what is not to be kept is null, and leaves the key free, as every failure does.
     */
    readonly once: <A, E, R>(
      claim: IdempotentRequest,
      effect: Effect.Effect<A, E, R>,
      form: {
        readonly answerOf: (result: A) => Answer | null
        readonly replay: (answer: Answer) => A
      },
    ) => Effect.Effect<A, E | ConflictError | ValidationError | ServiceUnavailableError, R>
  }
>()("plinth/business/Idempotency") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* IdempotencyRepo
      const { transaction } = yield* Database
      const running = new Set<string>()

      const answered = Effect.fnUntraced(function* (claim: IdempotentRequest) {
        if (!(yield* repo.tryLock(claim))) return yield* inProgress()
        const row = yield* repo.find(claim)
        if (row === undefined) return undefined
        if (row.created_at < (yield* oldest)) {
          yield* repo.remove(claim)
          return undefined
        }
        return row.fingerprint === claim.fingerprint ? row : yield* anotherRequest()
      })

      const keep = Effect.fnUntraced(function* (
        claim: IdempotentRequest,
        { body, status }: Answer,
      ) {
        const created_at = yield* now
        yield* Effect.catchTag(
          repo.insert({ ...claim, status, body, created_at }),
          "ConflictError",
          inProgress,
        )
      })

      const once: Idempotency["Service"]["once"] = (claim, effect, { answerOf, replay }) => {
        const run = Effect.gen(function* () {
          const known = yield* answered(claim)
          if (known !== undefined) return replay(known)
          const result = yield* effect
          const answer = answerOf(result)
          if (answer !== null) yield* keep(claim, answer)
          return result
        })
        return Effect.suspend(() => {
          const name = JSON.stringify([claim.user_id, claim.route, claim.key])
          // Those of this process are told without a connection.
          if (running.has(name)) return inProgress()
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

/** A key from before then is free again, whether clean-up has removed its row yet or not. */
export const oldest: Effect.Effect<Timestamp> = ago(personalData.idempotency_keys.retention.period)

export const inProgress = () =>
  Effect.fail(new ConflictError({ resource: "Request", reason: "in_progress", retry_after: 1 }))

export const anotherRequest = () => Effect.fail(invalidKey("was used for another request"))

export const invalidKey = (message: string) =>
  new ValidationError({ issues: [{ path: "Idempotency-Key", message }], field: "Idempotency-Key" })

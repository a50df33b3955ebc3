import { Console, Effect, Option, Redacted } from "effect"
import { Tokens } from "../../core/identity/Tokens.ts"
import { UserId } from "../../domain/users/User.ts"

interface Options {
  readonly sub: string
  readonly email: Option.Option<string>
  readonly role: Option.Option<"user" | "admin">
  /** Seconds. */
  readonly expiresIn: number
}

export const mintToken = Effect.fnUntraced(function* (options: Options) {
  const tokens = yield* Tokens
  const token = yield* tokens.sign({
    sub: UserId.make(options.sub),
    ...(Option.isSome(options.email) && { email: options.email.value }),
    ...(Option.isSome(options.role) && { role: options.role.value }),
    expires_in: options.expiresIn,
    purpose: "access",
  })
  yield* Console.log(Redacted.value(token))
})

import { Console, Effect, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { Tokens } from "../core/Tokens.ts"
import { UserId } from "../domain/User.ts"

const sub = Flag.String("sub").pipe(
  Flag.withDescription("Who the token speaks for: the id of the user"),
  Flag.withSchema(Schema.String.check(Schema.isPattern(/^[^\0]{1,255}$/))),
)
const email = Flag.String("email").pipe(
  Flag.withDescription("The user's e-mail"),
  Flag.withSchema(Schema.String.check(Schema.isPattern(/^[^\s@]+@[^\s@]+$/))),
  Flag.optional,
)
const role = Flag.Literals("role", ["user", "admin"]).pipe(
  Flag.withDescription("The role a new user starts with; an existing user keeps his own"),
  Flag.optional,
)
const expiresIn = Flag.Int("expires-in").pipe(
  Flag.withDescription("Lifetime in seconds"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 31_536_000 }))),
  Flag.withDefault(86_400),
)

const mint = Command.make("mint", { sub, email, role, expiresIn }, (options) =>
  Effect.gen(function* () {
    const tokens = yield* Tokens
    const token = yield* tokens.sign({
      sub: UserId.make(options.sub),
      ...(Option.isSome(options.email) && { email: options.email.value }),
      ...(Option.isSome(options.role) && { role: options.role.value }),
      expires_in: options.expiresIn,
      purpose: "access",
    })
    yield* Console.log(Redacted.value(token))
  }),
).pipe(
  Command.withDescription("Sign a bearer token with SECRET_KEY and print it, alone, on stdout"),
  Command.withExamples([
    {
      command: "plinth token mint --sub ada --email ada@example.com",
      description: "A token for a first look",
    },
  ]),
)

export const command = Command.make("token").pipe(
  Command.withDescription("Tokens of Plinth's own issuer"),
  Command.withSubcommands([mint]),
)

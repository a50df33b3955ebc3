import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Bounds from "../../domain/Bounds.ts"
import { isEmailAddress } from "../../domain/Email.ts"
import { isSubject } from "../../domain/users/Identity.ts"
import { expectedText } from "../Output.ts"

const sub = Flag.String("sub").pipe(
  Flag.withDescription(`Id of the user, 1 to ${Bounds.maxLength.userId} characters`),
  Flag.filter(isSubject, () => expectedText(Bounds.maxLength.userId)),
)

const email = Flag.String("email").pipe(
  Flag.withDescription("E-mail of the user. A new e-mail is stored at the next request"),
  Flag.filter(isEmailAddress, () => "an e-mail address"),
  Flag.optional,
)

const role = Flag.Literals("role", ["user", "admin"]).pipe(
  Flag.withDescription(
    "Role of a new user; an existing user keeps their role in the database. Make superadmins with plinth users promote",
  ),
  Flag.optional,
)

const secondsPerUnit: Readonly<Record<string, number>> = {
  "": 1,
  s: 1,
  m: 60,
  h: 3600,
  d: Bounds.secondsPerDay,
}

/** Parses `3600`, `90s`, `15m`, `12h` or `30d` to seconds. */
const parseSeconds = (text: string) => {
  const [, count = "", unit = ""] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  const seconds = Number(count) * (secondsPerUnit[unit] ?? 0)
  const { maximum, minimum } = Bounds.tokenSeconds
  return seconds >= minimum && seconds <= maximum ? Option.some(seconds) : Option.none()
}

const maxLifetime = `at most ${Bounds.tokenSeconds.maximum / Bounds.secondsPerDay}d`
const defaultLifetime = `${Bounds.tokenSeconds.default / 3600}h`

const expiresIn = Flag.String("expires-in").pipe(
  Flag.withMetavar("duration"),
  Flag.withDescription(
    `Lifetime: seconds, or a number with s, m, h or d; ${maxLifetime}. Default ${defaultLifetime}`,
  ),
  Flag.filterMap(parseSeconds, () => `seconds, or 90s, 15m, 12h, 30d; ${maxLifetime}`),
  Flag.withDefault(Bounds.tokenSeconds.default),
)

const mint = Command.make("mint", { sub, email, role, expiresIn }, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./MintToken.ts")),
    ({ mintToken }) => mintToken(options),
  ),
).pipe(
  Command.withShortDescription("Sign a bearer token and print it"),
  Command.withDescription(
    "Sign a bearer token with the first SECRET_KEY and print only the token. The API accepts it in addition to tokens of the configured provider. Needs no database: the first request with the token creates the user.",
  ),
  Command.withExamples([
    {
      command: "plinth token mint --sub ada --email ada@example.com",
      description: "To try the API",
    },
    {
      command: "TOKEN=$(plinth token mint --sub ops --role admin --expires-in 15m)",
      description: "For a script",
    },
  ]),
)

export const command = Command.make("token").pipe(
  Command.withShortDescription("Sign tokens"),
  Command.withDescription("Sign tokens with SECRET_KEY."),
  Command.withExamples([{ command: "plinth token mint --sub ada" }]),
  Command.withSubcommands([mint]),
)

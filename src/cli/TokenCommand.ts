import { Duration, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { isEmailAddress } from "../domain/Email.ts"
import { isSubject } from "../domain/Identity.ts"

const sub = Flag.String("sub").pipe(
  Flag.withDescription("Whom the token speaks for: the id of the user, 1 to 255 characters"),
  Flag.filter(isSubject, () => "1 to 255 characters that are not all blank"),
)

const email = Flag.String("email").pipe(
  Flag.withDescription("E-mail of the user; a new one becomes his at the next request"),
  Flag.filter(isEmailAddress, () => "an e-mail address"),
  Flag.optional,
)

const role = Flag.Literals("role", ["user", "admin"]).pipe(
  Flag.withDescription(
    "What a user who does not exist yet starts as; one who does keeps the role in the database. For superadmin: plinth users promote",
  ),
  Flag.optional,
)

/** A year: what lives longer than that is forgotten, and cannot be taken back but by a new SECRET_KEY. */
const maxLifetimeSeconds = 31_536_000

const units: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 }

/** `3600`, `90s`, `15m`, `12h` or `30d`, in seconds. */
const secondsOf = (text: string) => {
  const [, count = "", unit = ""] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  const seconds = Number(count) * (units[unit] ?? 0)
  return seconds >= 1 && seconds <= maxLifetimeSeconds ? Option.some(seconds) : Option.none()
}

const expiresIn = Flag.String("expires-in").pipe(
  Flag.withMetavar("duration"),
  Flag.withDescription(
    "Lifetime: seconds, or a number with s, m, h or d; at most 365d. Default 24h",
  ),
  Flag.filterMap(secondsOf, () => "seconds, or 90s, 15m, 12h, 30d; at most 365d"),
  Flag.withDefault(Duration.toSeconds("24 hours")),
)

const mint = Command.make("mint", { sub, email, role, expiresIn }, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./MintToken.ts")),
    ({ mintToken }) => mintToken(options),
  ),
).pipe(
  Command.withShortDescription("Sign a bearer token and print it"),
  Command.withDescription(
    "Sign a bearer token with the first SECRET_KEY and print it, alone, on stdout. The API takes it beside those of the configured provider. Needs no database: the user is made by his first request.",
  ),
  Command.withExamples([
    {
      command: "plinth token mint --sub ada --email ada@example.com",
      description: "A token for a first look",
    },
    {
      command: "TOKEN=$(plinth token mint --sub ops --role admin --expires-in 15m)",
      description: "For a script",
    },
  ]),
)

export const command = Command.make("token").pipe(
  Command.withShortDescription("Sign tokens"),
  Command.withDescription("Tokens that Plinth signs itself, with SECRET_KEY."),
  Command.withExamples([{ command: "plinth token mint --sub ada" }]),
  Command.withSubcommands([mint]),
)

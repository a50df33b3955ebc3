import { mkdir, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { DateTime, Effect, Layer } from "effect"
import { Settings } from "../../core/settings/Settings.ts"
import { EmailUnavailableError } from "../../domain/Email.ts"
import { Email } from "./Email.ts"

/**
 * Sends nothing. In `local`, writes each e-mail to a file in DATA_DIR/emails that only its owner can read, because its
 * links may give access to an account.
 */
export const layer = Layer.effect(
  Email,
  Effect.gen(function* () {
    const { DATA_DIR, ENVIRONMENT } = yield* Settings
    const directory = resolve(DATA_DIR, "emails")

    const write = Effect.fnUntraced(function* (html: string, key: string) {
      const time = DateTime.formatIso(yield* DateTime.now).replaceAll(":", "-")
      const path = join(directory, `${time}-${key.replaceAll(/[^\w-]/g, "_").slice(0, 64)}.html`)
      yield* Effect.tryPromise({
        try: () =>
          mkdir(directory, { recursive: true, mode: 0o700 }).then(() =>
            writeFile(path, html, { mode: 0o600 }),
          ),
        catch: (cause) => new EmailUnavailableError({ cause }),
      })
      yield* Effect.logInfo("e-mail written to a file").pipe(Effect.annotateLogs({ path }))
    })

    const warnNotSent = Effect.logWarning("e-mail not sent: EMAIL_PROVIDER is console")

    return Email.of({
      send: ({ html }, key) =>
        Effect.as(ENVIRONMENT === "local" ? write(html, key) : warnNotSent, { message_id: null }),
    })
  }),
)

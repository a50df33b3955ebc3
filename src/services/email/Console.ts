import { mkdir, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { DateTime, Effect, Layer } from "effect"
import { Settings } from "../../core/Settings.ts"
import { EmailUnavailableError } from "../../domain/Email.ts"
import { Email } from "./Email.ts"

/**
 * Sends nothing. In `local` each mail becomes a file in DATA_DIR/emails, which only its owner can read: links in it
 * may open an account.
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
      yield* Effect.logInfo("E-mail written").pipe(Effect.annotateLogs({ path }))
    })

    const skip = Effect.logWarning("E-mail not sent: EMAIL_PROVIDER is console")

    return Email.of({
      send: ({ html }, key) =>
        Effect.as(ENVIRONMENT === "local" ? write(html, key) : skip, { message_id: null }),
    })
  }),
)

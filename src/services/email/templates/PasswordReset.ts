import type { EmailContent } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { action, aside, prose } from "./Block.ts"

interface PasswordReset {
  /** Where a new password can be chosen, with the token that allows it. */
  readonly path: string
  readonly expires_in_minutes: number
}

export const passwordReset = (
  letterhead: Letterhead,
  { expires_in_minutes, path }: PasswordReset,
): EmailContent => {
  const { links, project } = letterhead
  return compose(letterhead, {
    subject: `Reset your ${project} password`,
    preview: `The link works for ${durationOf(expires_in_minutes)}.`,
    heading: "Reset your password",
    blocks: [
      prose(
        `Somebody asked for a new password for your account at ${project}. If it was you, choose one within ${durationOf(expires_in_minutes)}: after that the link no longer works.`,
      ),
      action("Choose a new password", links.to(path)),
      aside(
        "If it was not you, do nothing: your password stays as it is. Do not pass the link on: it opens your account.",
      ),
    ],
    reason: `You get this e-mail because a password reset was asked for at ${project}.`,
  })
}

const durationOf = (minutes: number) => {
  const [count, unit] = minutes % 60 === 0 ? [minutes / 60, "hour"] : [minutes, "minute"]
  return `${count} ${count === 1 ? unit : `${unit}s`}`
}

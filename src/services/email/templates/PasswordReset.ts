import type { EmailContent } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { action, aside, prose } from "./Block.ts"

interface PasswordReset {
  /** The path of the page to choose a new password, including the token. */
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
        `Someone requested a new password for your ${project} account. If it was you, choose one within ${durationOf(expires_in_minutes)}; after that, the link no longer works.`,
      ),
      action("Choose a new password", links.to(path)),
      aside(
        "If it was not you, ignore this e-mail; your password stays the same. Do not share the link: it gives access to your account.",
      ),
    ],
    reason: `You receive this e-mail because a password reset was requested for your ${project} account.`,
  })
}

const durationOf = (minutes: number) => {
  const [count, unit] = minutes % 60 === 0 ? [minutes / 60, "hour"] : [minutes, "minute"]
  return `${count} ${count === 1 ? unit : `${unit}s`}`
}

import { type EmailContent, toOneLine } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { action, prose } from "./Block.ts"

interface Notification {
  readonly title: string
  /** Plain text; an empty line begins another paragraph. */
  readonly body: string
  /** What it is about. */
  readonly path: string | null
}

export const notification = (letterhead: Letterhead, data: Notification): EmailContent => {
  const { links, project } = letterhead
  // A mail without a subject is refused.
  const title = toOneLine(data.title, 150) || `News from ${project}`
  return compose(letterhead, {
    subject: title,
    preview: toOneLine(data.body, 120),
    heading: title,
    blocks: [
      prose(data.body),
      ...(data.path === null ? [] : [action(`Open ${project}`, links.to(data.path))]),
    ],
    reason: `You get this e-mail because of your account at ${project}.`,
  })
}

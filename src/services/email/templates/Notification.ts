import { type EmailContent, toOneLine } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { action, prose } from "./Block.ts"

interface Notification {
  readonly title: string
  /** Plain text. Empty lines separate paragraphs. */
  readonly body: string
  /** The page that the button opens; no button if null. */
  readonly path: string | null
}

export const notification = (letterhead: Letterhead, data: Notification): EmailContent => {
  const { links, project } = letterhead
  // Providers reject an e-mail without a subject.
  const title = toOneLine(data.title, 150) || `News from ${project}`
  return compose(letterhead, {
    subject: title,
    preview: toOneLine(data.body, 120),
    heading: title,
    blocks: [
      prose(data.body),
      ...(data.path === null ? [] : [action(`Open ${project}`, links.to(data.path))]),
    ],
    reason: `You receive this e-mail because you have a ${project} account.`,
  })
}

import type { EmailContent } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { action, aside, prose } from "./Block.ts"

interface ExportReady {
  /** Where the export can be downloaded. */
  readonly path: string
}

export const exportReady = (letterhead: Letterhead, { path }: ExportReady): EmailContent => {
  const { links, project } = letterhead
  return compose(letterhead, {
    subject: "Your data export is ready",
    preview: `All that ${project} keeps about you, to download.`,
    heading: "Your data export is ready",
    blocks: [
      prose(
        `You asked for a copy of all that ${project} keeps about you. It is complete and can be downloaded now.`,
      ),
      action("Download your data", links.to(path)),
      aside("If you did not ask for it, sign in and check your account."),
    ],
    reason: `You get this e-mail because an export was asked for in your account at ${project}.`,
  })
}

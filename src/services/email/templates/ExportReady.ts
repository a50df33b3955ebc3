import type { EmailContent } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { action, aside, prose } from "./Block.ts"

interface ExportReady {
  /** The path of the download. */
  readonly path: string
}

export const exportReady = (letterhead: Letterhead, { path }: ExportReady): EmailContent => {
  const { links, project } = letterhead
  return compose(letterhead, {
    subject: "Your data export is ready",
    preview: `Download all data that ${project} stores about you.`,
    heading: "Your data export is ready",
    blocks: [
      prose(
        `You requested a copy of all data that ${project} stores about you. It is complete and ready to download.`,
      ),
      action("Download your data", links.to(path)),
      aside("If you did not request it, sign in and check your account."),
    ],
    reason: `You receive this e-mail because a data export was requested for your ${project} account.`,
  })
}

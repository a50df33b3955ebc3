import { type EmailContent, toOneLine } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { action, prose } from "./Block.ts"

interface Welcome {
  readonly full_name: string | null
}

/** The first e-mail to a new user. */
export const welcome = (letterhead: Letterhead, { full_name }: Welcome): EmailContent => {
  const { links, project } = letterhead
  const name = full_name === null ? "" : toOneLine(full_name, 80)
  return compose(letterhead, {
    subject: `Welcome to ${project}`,
    preview: "Your account is ready.",
    heading: name === "" ? `Welcome to ${project}` : `Welcome, ${name}`,
    blocks: [
      prose(
        `Thank you for signing up. Your account is ready, and you can start using ${project} now.`,
      ),
      action(`Open ${project}`, links.to("/")),
    ],
    reason: `You receive this e-mail because a ${project} account was created with this address.`,
  })
}

import type { Settings } from "../../../core/settings/Settings.ts"
import { type EmailContent, toDisplayText, toOneLine, subjectOf } from "../../../domain/Email.ts"
import type { Block } from "./Block.ts"
import { html } from "./Html.ts"
import { type Links, linksOf } from "./Links.ts"
import { styles } from "./Styles.ts"

/** The parts that are the same in every e-mail. */
export interface Letterhead {
  readonly project: string
  readonly links: Links
}

export const letterheadOf = (settings: Settings["Service"]): Letterhead => ({
  project: toOneLine(settings.PROJECT_NAME, 60),
  links: linksOf(settings),
})

interface Parts {
  readonly subject: string
  /** The text that an inbox shows after the subject. */
  readonly preview: string
  readonly heading: string
  readonly blocks: ReadonlyArray<Block>
  /** The reason why the recipient gets this e-mail. */
  readonly reason: string
}

export const compose = (letterhead: Letterhead, parts: Parts): EmailContent => {
  const subject = subjectOf(parts.subject)
  const home = letterhead.links.to("/").toString()
  return {
    subject,
    html: page({ ...parts, subject, project: letterhead.project, home }).toString(),
    text: toDisplayText(
      [
        parts.heading,
        ...parts.blocks.map(({ text }) => text),
        `-- \n${parts.reason}\n${home}\n`,
      ].join("\n\n"),
    ),
  }
}

interface Page extends Parts {
  readonly project: string
  readonly home: string
}

const page = ({ blocks, heading, home, preview, project, reason, subject }: Page) =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="supported-color-schemes" content="light dark" />
        <meta name="format-detection" content="telephone=no, date=no, address=no, email=no" />
        <title>${subject}</title>
        <style>
          @media (max-width: 480px) {
            .outer {
              padding: 24px 12px !important;
            }
            .card {
              padding: 28px 22px !important;
            }
          }
          @media (prefers-color-scheme: dark) {
            .ground {
              background-color: #0b0f17 !important;
            }
            .card {
              background-color: #151b26 !important;
              border-color: #273142 !important;
            }
            .ink {
              color: #f3f4f6 !important;
            }
            .quiet {
              color: #9ca3af !important;
            }
            .line {
              border-color: #273142 !important;
            }
            .button {
              background-color: #f3f4f6 !important;
            }
            .label {
              color: #111827 !important;
            }
          }
        </style>
      </head>
      <body class="ground" style="${styles.body}">
        <div style="${styles.preview}">${preview}</div>
        <table
          class="ground"
          role="presentation"
          width="100%"
          cellpadding="0"
          cellspacing="0"
          border="0"
          style="${styles.outer}"
        >
          <tr>
            <td class="outer" align="center" style="padding:40px 16px;">
              <table
                role="presentation"
                width="600"
                cellpadding="0"
                cellspacing="0"
                border="0"
                style="${styles.inner}"
              >
                <tr>
                  <td class="ink" style="${styles.name}">${project}</td>
                </tr>
                <tr>
                  <td class="card" style="${styles.card}">
                    <h1 class="ink" style="${styles.heading}">${heading}</h1>
                    ${blocks.map(({ html }) => html)}
                  </td>
                </tr>
                <tr>
                  <td class="quiet" style="${styles.foot}">
                    ${reason}<br /><a class="quiet" href="${home}" style="${styles.url}">${home}</a>
                  </td>
                </tr>
              </table>
            </td>
          </tr>
        </table>
      </body>
    </html> `

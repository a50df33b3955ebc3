import { toDisplayText, toOneLine } from "../../../domain/Email.ts"
import { type Html, html } from "./Html.ts"
import type { Link } from "./Links.ts"
import { styles } from "./Styles.ts"

/** A part of an e-mail, as HTML and as plain text. */
export interface Block {
  readonly html: Html
  readonly text: string
}

/** Paragraphs, separated by empty lines. */
export const prose = (words: string): Block => {
  const text = toDisplayText(words).trim()
  return {
    text,
    html: html`${text
      .split(/\n\s*\n/)
      .map((paragraph) => html`<p class="ink" style="${styles.prose}">${lines(paragraph)}</p>`)}`,
  }
}

/** A note of secondary importance. */
export const aside = (words: string): Block => ({
  text: words,
  html: html`<p class="quiet" style="${styles.aside}">${words}</p>`,
})

/** A button. Its URL is below it, for mail clients that show no buttons. */
export const action = (label: string, link: Link): Block => {
  const url = link.toString()
  const words = toOneLine(label, 60)
  return {
    text: `${words}:\n${url}`,
    html: html`<table
        role="presentation"
        cellpadding="0"
        cellspacing="0"
        border="0"
        style="${styles.button}"
      >
        <tr>
          <td class="button" bgcolor="#1f2937" style="${styles.buttonCell}">
            <a class="label" href="${url}" style="${styles.label}">${words}</a>
          </td>
        </tr>
      </table>
      <p class="quiet" style="${styles.address}">
        Or open this link:<br /><a class="quiet" href="${url}" style="${styles.url}">${url}</a>
      </p>`,
  }
}

interface Figure {
  readonly label: string
  readonly value: number
}

/** A table of numbers under a heading. */
export const figures = (caption: string, rows: ReadonlyArray<Figure>): Block => {
  const width = Math.max(...rows.map(({ label }) => label.length))
  return {
    text: [
      caption,
      ...rows.map(({ label, value }) => `  ${label.padEnd(width)}  ${grouped(value)}`),
    ].join("\n"),
    html: html`<h2 class="ink" style="${styles.caption}">${caption}</h2>
      <table width="100%" cellpadding="0" cellspacing="0" border="0" style="${styles.figures}">
        ${rows.map(
          ({ label, value }) =>
            html`<tr>
              <th class="quiet line" scope="row" style="${styles.figure}">${label}</th>
              <td class="ink line" style="${styles.value}">${grouped(value)}</td>
            </tr>`,
        )}
      </table>`,
  }
}

const grouped = (value: number) => value.toLocaleString("en-US")

const lines = (text: string) =>
  text.split("\n").map((line, index) => (index === 0 ? html`${line}` : html`<br />${line}`))

import { toDisplayText } from "../../../domain/Email.ts"

/** Markup. Only `html` makes it, so all of it was written by us or is escaped. */
export class Html {
  readonly #markup: string

  private constructor(markup: string) {
    this.#markup = markup
  }

  static readonly of = (
    written: TemplateStringsArray,
    ...parts: ReadonlyArray<string | number | Html | ReadonlyArray<Html>>
  ) =>
    new Html(
      written.reduce((before, after, index) => before + markupOf(parts[index - 1] ?? "") + after),
    )

  toString() {
    return this.#markup
  }
}

/** A template whose texts are escaped: for content, and for attributes in double quotes. */
export const html = Html.of

const markupOf = (part: string | number | Html | ReadonlyArray<Html>): string => {
  if (part instanceof Html) return part.toString()
  return typeof part === "object" ? part.map(markupOf).join("\n") : escaped(String(part))
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}

const escaped = (text: string) =>
  toDisplayText(text).replaceAll(/[&<>"']/g, (c) => entities[c] ?? "")

import { toDisplayText } from "../../../domain/Email.ts"

/** Markup. Only `html` creates it, so all of it is either from our source or escaped. */
export class Html {
  readonly #markup: string

  private constructor(markup: string) {
    this.#markup = markup
  }

  static readonly of = (
    literals: TemplateStringsArray,
    ...parts: ReadonlyArray<string | number | Html | ReadonlyArray<Html>>
  ) =>
    new Html(
      literals.reduce((before, after, index) => before + markupOf(parts[index - 1] ?? "") + after),
    )

  toString() {
    return this.#markup
  }
}

/** Escapes the values of a template, for use in content and in double-quoted attributes. */
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

import { Console } from "effect"
import { CliOutput, type HelpDoc } from "effect/cli"
import stringWidth from "string-width"
import { printable } from "./Output.ts"
import { hasColors, styled } from "./Style.ts"

/** Prints requested help and the version on stdout, and help after a mistake on stderr. */
export const presenter: CliOutput.Presenter = {
  present: (event) => {
    switch (event._tag) {
      case "InvalidInvocation":
        return Console.error(
          [
            ...event.errors.map(
              ({ message }) => `${styled("stderr", "red", "plinth:")} ${oneLine(message)}`,
            ),
            `Usage: ${event.helpDoc.usage}`,
            `Try: ${event.commandPath.join(" ")} --help`,
          ].join("\n"),
        )
      case "Help":
        return event.reason === "Requested"
          ? Console.log(helpFor("stdout", event.helpDoc))
          : Console.error(helpFor("stderr", event.helpDoc))
      case "Version":
        return Console.log(event.version)
    }
  },
}

const helpFor = (stream: "stdout" | "stderr", doc: HelpDoc.HelpDoc) => {
  const text = CliOutput.defaultFormatter({ colors: hasColors(stream) }).formatHelpDoc(doc)
  const { columns, isTTY } = process[stream]
  return isTTY && columns > 0 ? text.replaceAll(/^.+$/gm, (line) => wrapLine(line, columns)) : text
}

/** Joins a message to one line, because the parser writes suggestions on lines of their own. */
const oneLine = (message: string) =>
  printable(
    message
      .replace(/\n\n\s+Did you mean this\?\n\s+/, ". Did you mean: ")
      .replaceAll(/\n\s+/g, ", "),
  )

/** Wraps a line between words. Continuation lines are indented to where the text, or its second column, begins. */
const wrapLine = (line: string, width: number) => {
  const [prefix = ""] = /^\s*(?:\S.*?\s{2,}(?=\S))?/.exec(line) ?? []
  const indent = stringWidth(prefix) > width / 2 ? 4 : stringWidth(prefix)
  const lines: Array<string> = []
  let current = prefix
  for (const word of line.slice(prefix.length).split(" ")) {
    const next = current.trim() === "" || current === prefix ? current + word : `${current} ${word}`
    if (stringWidth(next) <= width || current.trim() === "") current = next
    else {
      lines.push(current)
      current = " ".repeat(indent) + word
    }
  }
  return [...lines, current].join("\n")
}

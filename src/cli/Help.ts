import { Console } from "effect"
import { CliOutput, type HelpDoc } from "effect/cli"
import stringWidth from "string-width"
import { plain } from "./Output.ts"
import { hasColors, styled } from "./Style.ts"

/** What was asked for goes to stdout; help that nobody asked for does not. */
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
  return isTTY && columns > 0 ? text.replaceAll(/^.+$/gm, (line) => wrapped(line, columns)) : text
}

/** Suggestions come on lines of their own. */
const oneLine = (message: string) =>
  plain(
    message
      .replace(/\n\n\s+Did you mean this\?\n\s+/, ". Did you mean: ")
      .replaceAll(/\n\s+/g, ", "),
  )

/** Broken between words, which go on below where they began: in the second column, where there are two. */
const wrapped = (line: string, room: number) => {
  const [begin = ""] = /^\s*(?:\S.*?\s{2,}(?=\S))?/.exec(line) ?? []
  const indent = stringWidth(begin) > room / 2 ? 4 : stringWidth(begin)
  const lines: Array<string> = []
  let current = begin
  for (const word of line.slice(begin.length).split(" ")) {
    const next = current.trim() === "" || current === begin ? current + word : `${current} ${word}`
    if (stringWidth(next) <= room || current.trim() === "") current = next
    else {
      lines.push(current)
      current = " ".repeat(indent) + word
    }
  }
  return [...lines, current].join("\n")
}

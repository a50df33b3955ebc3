import { styleText } from "node:util"

export type Style = Parameters<typeof styleText>[0]
type Stream = "stdout" | "stderr"

/** In these colours where this goes to a terminal, unless NO_COLOR or TERM=dumb says otherwise; FORCE_COLOR asks for them everywhere. */
export const styled = (stream: Stream, style: Style, text: string) =>
  styleText(style, text, { stream: process[stream] })

export const hasColors = (stream: Stream) => styled(stream, "bold", "text") !== "text"

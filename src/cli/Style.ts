import { styleText } from "node:util"

export type Style = Parameters<typeof styleText>[0]
type Stream = "stdout" | "stderr"

/** Colours text for a terminal, unless NO_COLOR or TERM=dumb is set; with FORCE_COLOR, everywhere. */
export const styled = (stream: Stream, style: Style, text: string) =>
  styleText(style, text, { stream: process[stream] })

export const hasColors = (stream: Stream) => styled(stream, "bold", "text") !== "text"

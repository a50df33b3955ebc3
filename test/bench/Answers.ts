// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { ask } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { tokenOf } from "./Tokens.ts"
import type { Work } from "./Works.ts"

/** Headers that differ between any two answers. */
const fresh = /^(?:x-request-id|x-ratelimit-reset|date|etag)$/

/**
 * Fails unless all servers answer a work with the same status, headers and body, which makes them
 * comparable.
 */
export const sameAnswers = async (servers: ReadonlyArray<Server>, work: Work) => {
  const text = work.textOf(tokenOf(work.user), 0)
  const [first = "", ...others] = await Promise.all(
    servers.map(async ({ port }) => {
      const { body, headers, status } = await ask({ port, text })
      const fields = Object.entries(headers)
        .filter(([name]) => !fresh.test(name))
        .map(([name, value]) => `${name}: ${value.replace("; charset=utf-8", "")}`)
        .toSorted()
      return JSON.stringify({ status, fields, body: masked(body, work.generated) }, null, 1)
    }),
  )
  const different = others.find((other) => other !== first)
  if (different !== undefined) {
    throw new Error(
      `the servers answer ${work.name} differently:\n${linesOnlyIn(first, different)}\nand:\n${linesOnlyIn(different, first)}`,
    )
  }
}

const linesOnlyIn = (text: string, other: string) => {
  const others = new Set(other.split("\n"))
  return text
    .split("\n")
    .filter((line) => !others.has(line))
    .join("\n")
}

const masked = (body: string, generated: ReadonlyArray<string>) =>
  generated.reduce(
    (text, name) => text.replaceAll(new RegExp(`"${name}":"[^"]*"`, "g"), `"${name}":"…"`),
    body,
  )

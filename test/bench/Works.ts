import { cycle, textOf } from "./Load.ts"
import { editedIds, editor, reader, readIds, writer } from "./Seed.ts"
import { tokenOf, tokensOf } from "./Tokens.ts"

/** A request that the servers are compared by. */
export interface Work {
  readonly name: string
  readonly user: string
  readonly status: number
  /** The fields of the answer that each server generates. */
  readonly generated: ReadonlyArray<string>
  /** Returns the text of the nth request. */
  readonly textOf: (token: string, n: number) => string
}

const path = "/api/v1/app/projects"
const body = JSON.stringify({
  name: " Analytical engine ",
  description: "Computes Bernoulli numbers",
})

/** Reads and changes take the next project each time. */
const at = (ids: ReadonlyArray<string>, n: number) => `${path}/${ids[n % ids.length]}`

export const list: Work = {
  name: "list",
  user: reader,
  status: 200,
  generated: [],
  textOf: (token) => textOf("GET", `${path}?limit=20`, { token }),
}

export const works: ReadonlyArray<Work> = [
  list,
  {
    name: "create",
    user: writer,
    status: 201,
    generated: ["id", "created_at", "updated_at"],
    textOf: (token) => textOf("POST", path, { token, body }),
  },
  {
    name: "get",
    user: reader,
    status: 200,
    generated: [],
    textOf: (token, n) => textOf("GET", at(readIds, n), { token }),
  },
  {
    name: "update",
    user: editor,
    status: 200,
    generated: ["updated_at"],
    textOf: (token, n) => textOf("PATCH", at(editedIds, n), { token, body }),
  },
  {
    name: "me",
    user: reader,
    status: 200,
    generated: [],
    textOf: (token) => textOf("GET", "/api/v1/app/users/me", { token }),
  },
]

/** Returns requests that all carry the same token. */
export const withOneToken = ({ textOf: text, user }: Work) => {
  const token = tokenOf(user)
  return cycle(Array.from({ length: 100 }, (_, n) => text(token, n)))
}

/** Returns the texts of `count` requests, of which each carries another token. */
export const manyTokenTexts = ({ textOf: text, user }: Work, count: number) =>
  tokensOf(user, count).map(text)

/** The result of a call with a generated client: the body that the document promises, or the code of the failure. */
export interface Answer<A> {
  readonly status: number | undefined
  readonly data: A | undefined
  readonly code: string | undefined
}

interface User {
  readonly email: string | null
  readonly full_name: string | null
}

interface Project {
  readonly id: string
  readonly name: string
}

interface ByOffset {
  readonly items: ReadonlyArray<Project>
  readonly total: number
}

interface ByCursor {
  readonly items: ReadonlyArray<Project>
  readonly next_cursor: string | null
}

/** The operations that the journey calls, each with the types generated from the document. */
export interface Plinth {
  readonly me: () => Promise<Answer<User>>
  readonly rename: (full_name: string) => Promise<Answer<User>>
  /** Creates one project per key, however often the request is sent. */
  readonly create: (name: string, key: string) => Promise<Answer<Project>>
  readonly get: (project_id: string) => Promise<Answer<Project>>
  readonly remove: (project_id: string) => Promise<Answer<unknown>>
  readonly list: (query: {
    readonly limit?: number
    readonly cursor?: string
  }) => Promise<Answer<ByOffset | ByCursor>>
  readonly usage: () => Promise<Answer<{ readonly api_requests: number }>>
}

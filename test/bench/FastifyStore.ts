/** The reads and writes of the baseline; `FastifySqlite` and `FastifyPostgres` run them. */

export interface User {
  readonly id: string
  readonly email: string | null
  readonly full_name: string | null
  readonly avatar_url: string | null
  readonly role: string
  readonly is_active: boolean | number
  readonly subscription_plan: string
  readonly subscription_status: string
  readonly last_token_iat: number | null
  readonly created_at: string
  readonly updated_at: string
}

export interface Project {
  readonly id: string
  readonly owner_id: string
  readonly name: string
  readonly description: string | null
  readonly created_at: string
  readonly updated_at: string
}

interface Page {
  readonly items: ReadonlyArray<Project>
  readonly total: number
  readonly skip: number
  readonly limit: number
}

export type Awaitable<A> = A | Promise<A>

export interface Store {
  readonly synchronous: boolean
  readonly user: (id: string) => Awaitable<User | undefined>
  readonly list: (
    owner: string,
    window: { readonly skip: number; readonly limit: number },
  ) => Awaitable<Page>
  readonly insert: (project: Project) => Awaitable<Project>
  readonly get: (owner: string, id: string) => Awaitable<Project | undefined>
  readonly update: (owner: string, id: string, change: Change) => Awaitable<Project | undefined>
}

interface Change {
  readonly name: string
  readonly description: string
  readonly updated_at: string
}

export const columns = "id, owner_id, name, description, created_at, updated_at"

export const toPage = (
  items: ReadonlyArray<Project>,
  total: number | undefined,
  { skip, limit }: { readonly skip: number; readonly limit: number },
): Page => ({ items, total: total ?? 0, skip, limit })

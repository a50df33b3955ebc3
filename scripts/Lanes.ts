import { isBuiltin } from "node:module"
import { posix, relative } from "node:path"

interface Lane {
  /** The lanes and kinds of file that it may import, besides itself, separated by spaces; `*` stands for all. */
  readonly imports: string
  /** The packages, with their subpaths, that it must not import; `node` stands for all modules of Node. */
  readonly forbidden: string
  readonly reason: string
}

const lane = (imports: string, forbidden: string, reason: string): Lane => ({
  imports,
  forbidden,
  reason,
})

const sql = "effect/sql @effect/sql-pg node:sqlite"
const web = "effect/http effect/http-api effect/rpc effect/cli @effect/platform-node"
const businessReason = "business knows neither its callers nor adapters; SQL stands in *Repo.ts"
const directionReason = "imports go leftwards; SQL stands in *Repo.ts, core and migrations"
const door = lane(
  "domain core tag business http shared",
  sql,
  "doors call business and share only contracts; SQL stands in *Repo.ts",
)

/** The lanes: a folder or file of `src`, or a kind of file. A new lane is one row. */
const lanes: Readonly<Record<string, Lane>> = {
  domain: lane("package.json", `${web} ${sql} node`, "domain is pure schemas"),
  core: lane("domain migrations", "", "core does not know what the product does"),
  services: lane("domain core", sql, directionReason),
  business: lane("domain core tag", `${web} ${sql}`, businessReason),
  repo: lane("domain core tag business", web, businessReason),
  http: lane("domain core tag business", sql, directionReason),
  api: door,
  rpc: door,
  realtime: door,
  jobs: door,
  cli: door,
  contract: lane("domain", `${sql} @effect/platform-node node`, "clients import contracts"),
  "App.ts": lane("domain core services business http", "", "App wires what all processes share"),
  process: lane("*", "", ""),
}

/** Kinds of file. If a kind has a row above, its files follow that row and not the row of their folder. */
const kinds: Readonly<Record<string, RegExp>> = {
  process: /^(Doors|Serve|Work|Operator|Run|main|worker|cli)\.ts$/,
  repo: /^business\/.*Repo\.ts$/,
  // The file named after its folder, such as email/Email.ts: the only file of a service that business may import.
  tag: /^services\/((\w+)\/\2\.ts|payments\/Receipts\.ts|\w+\/templates\/.+)$/i,
  // Contracts that other doors may import.
  shared: /^(api|rpc)\/(.+\/)?(\w*Api|Authentication|\w*Rpcs|RpcClient)\.ts$/,
  contract:
    /^(exports\/\w+|http\/(Envelope|Policies)|(api|rpc)\/(.+\/)?\w*(Api|Rpcs)|api\/(ApiClient|Audiences|documentation\/\w+|middleware\/\w+(?<!Http))|rpc\/(RpcClient|Method|Call|Deadline))\.ts$/,
}

/** The rooms of core, with the rooms that each may import. `.` is the files outside rooms; all rooms may import it. */
const rooms: Readonly<Record<string, string>> = {
  ".": "settings telemetry",
  settings: "",
  telemetry: "settings",
  sql: "settings telemetry",
  outbound: "settings telemetry",
  shared: "settings telemetry outbound",
  jobs: "settings telemetry sql outbound shared",
  identity: "settings telemetry sql outbound shared",
}

const includes = (words: string, word: string) => words.split(" ").includes(word)

/** Returns the kinds and the folder of a file. Paths here are relative to the root of the project. */
const namesOf = (file: string) => {
  const path = file.replace(/^src\//, "")
  const kindsOfFile = Object.keys(kinds).filter((kind) => kinds[kind]?.test(path))
  return [...kindsOfFile, path.split("/")[0] ?? path]
}

const laneOf = (file: string) => namesOf(file).find((name) => Object.hasOwn(lanes, name))

/** Returns the first folder within core; undefined outside rooms. */
const roomOf = (file: string) => /^src\/core\/(?:(\w+)\/)?/.exec(file)?.slice(1)[0]

/** Returns a test whether a module belongs to a package. */
const belongsTo = (specifier: string) => (name: string) =>
  name === "node"
    ? isBuiltin(specifier)
    : specifier === name || (name !== "" && specifier.startsWith(`${name}/`))

/** Returns why a file must not import a module, or undefined if it may. */
const refusalOf = (file: string, specifier: string) => {
  const name = laneOf(file)
  const row = name === undefined ? undefined : lanes[name]
  if (name === undefined || row === undefined) {
    return `${file} is in no lane: give its folder a row in scripts/Lanes.ts`
  }
  if (!specifier.startsWith(".")) {
    return row.forbidden.split(" ").some(belongsTo(specifier))
      ? `${name} must not import ${specifier}: ${row.reason}`
      : undefined
  }
  const target = posix.join(posix.dirname(file), specifier)
  if (
    !namesOf(target).some((to) => to === name || row.imports === "*" || includes(row.imports, to))
  ) {
    return `${name} imports only ${row.imports.replaceAll(" ", ", ")}, not ${target}: ${row.reason}`
  }
  if (!file.startsWith("src/core/") || !target.startsWith("src/core/")) return undefined
  const [from, to] = [roomOf(file) ?? ".", roomOf(target) ?? "."]
  return to === "." || from === to || includes(rooms[from] ?? "", to)
    ? undefined
    : `core/${from} imports no file of core/${to}: see its row in scripts/Lanes.ts`
}

/** The part of oxlint's plugin API that this rule uses. oxlint exports no types for it. */
interface Context {
  readonly cwd: string
  readonly filename: string
  readonly report: (found: { readonly node: unknown; readonly message: string }) => void
}
interface Import {
  readonly source: { readonly value?: unknown } | null
}

const createOnce = (context: Context) => {
  const check = ({ source }: Import) => {
    if (typeof source?.value !== "string") return
    const file = relative(context.cwd, context.filename).replaceAll("\\", "/")
    const message = refusalOf(file, source.value)
    if (message !== undefined) context.report({ node: source, message })
  }
  return {
    ImportDeclaration: check,
    ImportExpression: check,
    ExportNamedDeclaration: check,
    ExportAllDeclaration: check,
    TSImportType: check,
  }
}

/** oxlint loads its plugins by their default export. */
export default { meta: { name: "plinth" }, rules: { lanes: { createOnce } } }

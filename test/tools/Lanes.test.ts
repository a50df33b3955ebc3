import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"

interface Imports {
  readonly forbidden: ReadonlyArray<string>
  readonly allowed: ReadonlyArray<string>
}

const sql = ["effect/sql", "effect/sql/SqlClient", "@effect/sql-pg", "node:sqlite"]
const http = [
  "effect/http",
  "effect/http/HttpServerResponse",
  "effect/http-api",
  "@effect/platform-node/NodeHttpServer",
]
const doors = [
  "../api/Protocol.ts",
  "../rpc/RpcHandlers.ts",
  "../realtime/Hub.ts",
  "../jobs/Worker.ts",
  "../cli/Output.ts",
]
const contracts = ["../api/Api.ts", "../api/app/ProjectsApi.ts", "../api/Envelope.ts"]
const above = [
  "../App.ts",
  "../Doors.ts",
  "../Serve.ts",
  "../Work.ts",
  "../Run.ts",
  "../main.ts",
  "../worker.ts",
  "../cli.ts",
]

/** A file of a lane, what it must not import, and what it may. */
const lanes: Readonly<Record<string, Imports>> = {
  "src/domain/Task.ts": {
    forbidden: [
      "../core/Settings.ts",
      "../services/email/Email.ts",
      "../business/Projects.ts",
      ...doors,
      ...contracts,
      ...above,
      ...sql,
      ...http,
      "effect/rpc",
      "effect/cli",
      "node:fs",
    ],
    allowed: ["effect", "effect/schema", "./User.ts", "../../package.json"],
  },
  "src/core/Task.ts": {
    forbidden: [
      "../services/email/Email.ts",
      "../business/Projects.ts",
      ...doors,
      ...contracts,
      ...above,
    ],
    allowed: ["../domain/User.ts", "../../migrations/index.ts", ...sql, ...http],
  },
  "src/services/email/Resend.ts": {
    forbidden: [
      "../../business/Projects.ts",
      "../../api/Envelope.ts",
      "../../jobs/Worker.ts",
      "../../App.ts",
      ...sql,
    ],
    allowed: ["../../domain/User.ts", "../../core/Settings.ts", "./Email.ts", ...http],
  },
  "src/business/Tasks.ts": {
    forbidden: [
      "../services/email/Resend.ts",
      "../services/Adapters.ts",
      "effect/rpc",
      "effect/cli",
      ...doors,
      ...contracts,
      ...above,
      ...sql,
      ...http,
    ],
    allowed: [
      "../domain/User.ts",
      "../core/Database.ts",
      "../services/email/Email.ts",
      "./TasksRepo.ts",
    ],
  },
  "src/business/TasksRepo.ts": {
    forbidden: ["../services/email/Resend.ts", ...doors, ...contracts, ...above, ...http],
    allowed: ["../domain/User.ts", "../core/Repository.ts", ...sql],
  },
  "src/api/TasksHttp.ts": {
    forbidden: [...doors.slice(1), ...above, ...sql, "../services/email/Resend.ts"],
    allowed: ["../business/Tasks.ts", "../rpc/Rpcs.ts", "./Protocol.ts", ...contracts, ...http],
  },
  "src/rpc/RpcHandlers.ts": {
    forbidden: [...doors.filter((door) => !door.includes("/rpc/")), ...above, ...sql],
    allowed: ["../business/Tasks.ts", "./Rpcs.ts", ...contracts],
  },
  "src/realtime/Hub.ts": {
    forbidden: [...doors.filter((door) => !door.includes("/realtime/")), ...above, ...sql],
    allowed: ["../business/Tasks.ts", "../rpc/RpcClient.ts", ...contracts],
  },
  "src/jobs/Worker.ts": {
    forbidden: [...doors.filter((door) => !door.includes("/jobs/")), ...above, ...sql],
    allowed: ["../business/Tasks.ts", "../rpc/Rpcs.ts", ...contracts],
  },
  "src/cli/TasksCommand.ts": {
    forbidden: [...doors.slice(0, -1), ...above, ...sql],
    allowed: ["../business/Tasks.ts", "../rpc/RpcClient.ts", "./Output.ts", ...contracts],
  },
  ...Object.fromEntries(
    ["api/TasksApi", "api/Api", "api/ApiClient", "api/Envelope", "api/Policies", "exports/Api"].map(
      (name) => [
        `src/${name}.ts`,
        {
          forbidden: [
            "../core/Settings.ts",
            "../services/email/Email.ts",
            "../business/Tasks.ts",
            "./Http.ts",
            "./TasksHttp.ts",
            "./Server.ts",
            "./Protocol.ts",
            "./Docs.ts",
            ...doors.slice(1),
            ...above,
            ...sql,
            "node:fs",
            "@effect/platform-node/NodeRuntime",
          ],
          allowed: ["../domain/User.ts", "./Documentation.ts", "./Input.ts", "effect/http-api"],
        },
      ],
    ),
  ),
  "src/rpc/Rpcs.ts": {
    forbidden: ["../core/Settings.ts", "../business/Tasks.ts", "./RpcHandlers.ts", ...above],
    allowed: ["../domain/User.ts", "../api/Envelope.ts", "effect/rpc"],
  },
  "src/App.ts": {
    forbidden: ["./Serve.ts", "./Run.ts", "./main.ts", "./cli.ts"],
    allowed: ["./business/Tasks.ts", "./core/Database.ts", "./services/Adapters.ts"],
  },
  "src/main.ts": { forbidden: [], allowed: ["./App.ts", "./Serve.ts"] },
}

/** Code that stands where it must not, and the rule that says so. */
const misplaced: Readonly<Record<string, readonly [code: string, rule: string]>> = {
  "src/core/Cache.ts": ["export const port = process.env.PORT", "no-process-env"],
  "src/business/Cache.ts": ['export const port = process.env["PORT"]', "no-process-env"],
  "src/api/Words.ts": ['console.log("here")', "no-console"],
  "src/business/Default.ts": ["export default 1", "no-default-export"],
  "src/business/snake_case.ts": ["export const a = 1", "filename-case"],
  "src/domain/Anything.ts": ["export const a: any = 1", "no-explicit-any"],
  "src/domain/First.ts": ['import { b } from "./Second.ts"\nexport const a = () => b', "no-cycle"],
  "src/domain/Second.ts": ['import { a } from "./First.ts"\nexport const b = () => a', "no-cycle"],
}

const linesOf = ({ forbidden, allowed }: Imports) =>
  [...forbidden, ...allowed].map((from, at) => `export { a${at} } from ${JSON.stringify(from)}`)

const files = {
  ...Object.fromEntries(
    Object.entries(lanes).map(([file, imports]) => [file, linesOf(imports).join("\n")]),
  ),
  ...Object.fromEntries(Object.entries(misplaced).map(([file, [code]]) => [file, code])),
}

const Report = Schema.fromJsonString(
  Schema.Struct({
    diagnostics: Schema.Array(
      Schema.Struct({
        filename: Schema.String,
        code: Schema.String,
        severity: Schema.String,
        labels: Schema.Array(Schema.Struct({ span: Schema.Struct({ line: Schema.Int }) })),
      }),
    ),
  }),
)

/** What the linter, as this project has set it up, says of the planted files. */
const lint = () => {
  const directory = mkdtempSync(join(tmpdir(), "plinth-lanes-"))
  copyFileSync(".oxlintrc.json", join(directory, ".oxlintrc.json"))
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), `${text}\n`)
  }
  const oxlint = join(process.cwd(), "node_modules/oxlint/bin/oxlint")
  const run = Result.try({
    try: () =>
      execFileSync(process.execPath, [oxlint, "--format", "json"], {
        cwd: directory,
        encoding: "utf8",
      }),
    catch: (error) => Schema.decodeUnknownSync(Schema.Struct({ stdout: Schema.String }))(error),
  })
  rmSync(directory, { recursive: true })
  return Schema.decodeSync(Report)(Result.isSuccess(run) ? run.success : run.failure.stdout)
    .diagnostics
}

describe("The linter", () => {
  const errors = lint().filter(({ severity }) => severity === "error")

  it.each(Object.entries(lanes))("keeps %s in its lane", (file, imports) => {
    const said = errors.filter(
      ({ filename, code }) => filename === file && code.includes("no-restricted-imports"),
    )
    const refused = new Set(said.flatMap(({ labels }) => labels.map(({ span }) => span.line)))
    const all = [...imports.forbidden, ...imports.allowed]
    assert.deepStrictEqual(
      all.filter((_, at) => refused.has(at + 1)),
      imports.forbidden,
    )
  })

  it.each(Object.entries(misplaced))("refuses what is planted in %s", (file, [, rule]) => {
    assert.isTrue(errors.some(({ filename, code }) => filename === file && code.includes(rule)))
  })
})

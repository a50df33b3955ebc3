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
/** Makes specifiers that are relative to a lane relative to a file that may be deeper. */
const from = (file: string, specifiers: ReadonlyArray<string>) =>
  specifiers.map((specifier) =>
    specifier.replace(/^\.\.\//, "../".repeat(file.split("/").length - 1)),
  )

const doors = [
  "../api/ProjectsHttp.ts",
  "../rpc/RpcHandlers.ts",
  "../realtime/Hub.ts",
  "../jobs/Worker.ts",
  "../cli/Output.ts",
]
const contracts = [
  "../api/Api.ts",
  "../api/app/ProjectsApi.ts",
  "../api/middleware/Authentication.ts",
]
const edge = ["../http/Server.ts", "../http/Envelope.ts"]
const adapters = ["../services/email/Resend.ts", "../services/Adapters.ts"]
const tags = [
  "../services/ai/Ai.ts",
  "../services/courier/Courier.ts",
  "../services/payments/Receipts.ts",
  "../services/email/templates/Welcome.ts",
]
const above = [
  "../App.ts",
  "../Doors.ts",
  "../Serve.ts",
  "../Work.ts",
  "../Operator.ts",
  "../Run.ts",
  "../main.ts",
  "../worker.ts",
  "../cli.ts",
]

/** Returns the same imports for a file one folder deeper. */
const deeper = (specifiers: ReadonlyArray<string>) =>
  specifiers.map((specifier) => specifier.replace(/^\.\.\//, "../../"))

const allRooms = ["settings", "telemetry", "sql", "outbound", "shared", "jobs", "identity"]

/** A file of a room of core may import these rooms and no others. */
const inRoom = (...allowed: ReadonlyArray<string>): Imports => ({
  forbidden: allRooms
    .filter((room) => !allowed.includes(room))
    .map((room) => `../${room}/Task.ts`)
    .concat("../../jobs/Worker.ts", "../../business/Tasks.ts", "../../http/Server.ts"),
  allowed: [
    ...allowed.map((room) => `../${room}/Task.ts`),
    "../Uuid.ts",
    "./deeper/Task.ts",
    "../../domain/User.ts",
  ],
})

/** Files with the imports that the linter must refuse and those that it must accept. */
const lanes: Readonly<Record<string, Imports>> = {
  "src/domain/Task.ts": {
    forbidden: [
      "../core/Settings.ts",
      "../services/email/Email.ts",
      "../business/Projects.ts",
      ...doors,
      ...contracts,
      ...edge,
      ...above,
      ...sql,
      ...http,
      "effect/rpc",
      "effect/cli",
      "node:fs",
      "../exports/Domain.ts",
      "../../migrations/index.ts",
    ],
    allowed: ["effect", "effect/schema", "./User.ts", "../../package.json"],
  },
  "src/core/Task.ts": {
    forbidden: [
      "../services/email/Email.ts",
      "../business/Projects.ts",
      ...doors,
      ...contracts,
      ...edge,
      ...above,
    ],
    allowed: ["../domain/User.ts", "../../migrations/index.ts", ...sql, ...http],
  },
  "src/services/email/Resend.ts": {
    forbidden: [
      "../../business/Projects.ts",
      "../../api/Api.ts",
      "../../jobs/Worker.ts",
      "../../http/Server.ts",
      "../../App.ts",
      ...sql,
    ],
    allowed: ["../../domain/User.ts", "../../core/Settings.ts", "./Email.ts", ...http],
  },
  "src/business/Tasks.ts": {
    forbidden: [
      ...adapters,
      "effect/rpc",
      "effect/cli",
      ...doors,
      ...contracts,
      ...edge,
      ...above,
      ...sql,
      ...http,
    ],
    allowed: ["../domain/User.ts", "../core/Database.ts", ...tags, "./TasksRepo.ts"],
  },
  "src/business/TasksRepo.ts": {
    forbidden: [...adapters, ...doors, ...contracts, ...edge, ...above, ...http],
    allowed: ["../domain/User.ts", "../core/Repository.ts", "./Tasks.ts", ...sql],
  },
  "src/business/tasks/Tasks.ts": {
    forbidden: deeper([...adapters, ...doors, ...contracts, ...edge, ...above, ...sql, ...http]),
    allowed: [
      ...deeper(tags),
      "../../core/jobs/Queue.ts",
      "../jobs/Jobs.ts",
      "../audit/Audit.ts",
      "./TasksRepo.ts",
    ],
  },
  "src/business/tasks/TasksRepo.ts": {
    forbidden: deeper([...adapters, ...doors, ...contracts, ...edge, ...above, ...http]),
    allowed: ["../../core/sql/Repository.ts", "./Tasks.ts", ...sql],
  },
  "src/http/Server.ts": {
    forbidden: [...adapters, ...doors, ...contracts, ...above, ...sql],
    allowed: [
      "../domain/User.ts",
      "../core/telemetry/Metrics.ts",
      "../business/Tasks.ts",
      ...tags,
      "./Envelope.ts",
      ...http,
    ],
  },
  "src/api/TasksHttp.ts": {
    forbidden: [...doors.slice(1), ...above, ...sql, ...adapters],
    allowed: [
      "../business/Tasks.ts",
      "../rpc/Rpcs.ts",
      "./Protocol.ts",
      ...tags,
      ...edge,
      ...contracts,
      ...http,
    ],
  },
  "src/rpc/RpcHandlers.ts": {
    forbidden: [...doors.filter((door) => !door.includes("/rpc/")), ...above, ...sql, ...adapters],
    allowed: ["../business/Tasks.ts", "./Rpcs.ts", "./Method.ts", ...edge, ...contracts],
  },
  "src/realtime/Hub.ts": {
    forbidden: [
      ...doors.filter((door) => !door.includes("/realtime/")),
      ...above,
      ...sql,
      ...adapters,
    ],
    allowed: ["../business/Tasks.ts", "../rpc/RpcClient.ts", ...edge, ...contracts],
  },
  "src/jobs/Worker.ts": {
    forbidden: [...doors.filter((door) => !door.includes("/jobs/")), ...above, ...sql, ...adapters],
    allowed: ["../business/Tasks.ts", "../rpc/Rpcs.ts", ...edge, ...contracts],
  },
  "src/cli/TasksCommand.ts": {
    forbidden: [
      ...doors.slice(0, -1),
      ...above,
      ...sql,
      ...adapters,
      "../api/middleware/PoliciesHttp.ts",
      "../rpc/Method.ts",
    ],
    allowed: ["../business/Tasks.ts", "../rpc/RpcClient.ts", "./Output.ts", ...edge, ...contracts],
  },
  ...Object.fromEntries(
    [
      "api/TasksApi",
      "api/Api",
      "api/ApiClient",
      "api/middleware/Quota",
      "api/documentation/Documentation",
      "http/Envelope",
      "http/Policies",
      "exports/Api",
    ].map((name) => [
      `src/${name}.ts`,
      {
        forbidden: from(name, [
          "../core/Settings.ts",
          "../services/email/Email.ts",
          "../business/Tasks.ts",
          "../api/Http.ts",
          "../api/TasksHttp.ts",
          "../api/middleware/QuotaHttp.ts",
          "../http/Protocol.ts",
          "../api/Docs.ts",
          "../http/Server.ts",
          ...doors,
          ...above,
          ...sql,
          "node:fs",
          "@effect/platform-node/NodeRuntime",
        ]),
        allowed: from(name, [
          "../domain/User.ts",
          "../api/documentation/Documentation.ts",
          "../api/middleware/Input.ts",
          "../http/Envelope.ts",
          "../rpc/Rpcs.ts",
          "effect/http-api",
        ]),
      },
    ]),
  ),
  "src/rpc/Rpcs.ts": {
    forbidden: ["../core/Settings.ts", "../business/Tasks.ts", "./RpcHandlers.ts", ...above],
    allowed: ["../domain/User.ts", "../api/Api.ts", "../http/Envelope.ts", "effect/rpc"],
  },
  "src/App.ts": {
    forbidden: ["./Serve.ts", "./Run.ts", "./main.ts", "./cli.ts", "./api/Http.ts"],
    allowed: ["./business/Tasks.ts", "./core/Database.ts", "./services/Adapters.ts"],
  },
  "src/main.ts": { forbidden: [], allowed: ["./App.ts", "./Serve.ts", "./api/Http.ts"] },
  "src/core/Uuid.ts": {
    forbidden: ["./sql/Database.ts", "./jobs/Queue.ts"],
    allowed: ["./Lifecycle.ts", "./settings/Settings.ts", "./telemetry/Metrics.ts"],
  },
  "src/core/settings/Settings.ts": inRoom("settings"),
  "src/core/telemetry/Task.ts": inRoom("telemetry", "settings"),
  "src/core/sql/Task.ts": inRoom("sql", "settings", "telemetry"),
  "src/core/outbound/Task.ts": inRoom("outbound", "settings", "telemetry"),
  "src/core/shared/Task.ts": inRoom("shared", "settings", "telemetry", "outbound"),
  "src/core/jobs/Task.ts": inRoom("jobs", ...allRooms.slice(0, 5)),
  "src/core/identity/Task.ts": inRoom("identity", ...allRooms.slice(0, 5)),
  "src/core/sql/postgres/Connection.ts": {
    forbidden: ["../../shared/Redis.ts", "../../jobs/Queue.ts", "../../../jobs/Worker.ts"],
    allowed: ["../Database.ts", "../../settings/Settings.ts", "../../../domain/User.ts"],
  },
  "src/elsewhere/Task.ts": { forbidden: ["../domain/User.ts", "effect"], allowed: [] },
}

/** Code in a forbidden place, and the rule that refuses it. */
const misplaced: Readonly<Record<string, readonly [code: string, rule: string]>> = {
  "src/core/shared/Cache.ts": ["export const port = process.env.PORT", "no-process-env"],
  "src/business/Cache.ts": ['export const port = process.env["PORT"]', "no-process-env"],
  "src/api/Words.ts": ['console.log("here")', "no-console"],
  "src/business/Default.ts": ["export default 1", "no-default-export"],
  "src/business/snake_case.ts": ["export const a = 1", "filename-case"],
  "src/domain/Anything.ts": ["export const a: any = 1", "no-explicit-any"],
  "src/domain/Nothing.ts": ["export const a = (b?: string) => b!", "no-non-null-assertion"],
  "src/domain/Types.ts": [
    'import { type A } from "./Anything.ts"\nexport type B = A',
    "no-import-type-side-effects",
  ],
  "src/domain/Lazy.ts": ['export const a = () => import("../core/Settings.ts")', "plinth(lanes)"],
  "src/domain/Typed.ts": ['export type A = typeof import("../core/Settings.ts")', "plinth(lanes)"],
  "src/domain/All.ts": ['export * from "../core/Settings.ts"', "plinth(lanes)"],
  "src/domain/Named.ts": ['import { a } from "../core/A.ts"\nexport const b = a', "plinth(lanes)"],
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

/** Runs the linter with this project's configuration on the planted files. */
const lint = () => {
  const directory = mkdtempSync(join(tmpdir(), "plinth-lanes-"))
  mkdirSync(join(directory, "scripts"))
  for (const file of [".oxlintrc.json", "package.json", "scripts/Lanes.ts"]) {
    copyFileSync(file, join(directory, file))
  }
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

  it.each(Object.entries(lanes))("restricts the imports of %s", (file, imports) => {
    const findings = errors.filter(
      ({ filename, code }) => filename === file && code.includes("plinth(lanes)"),
    )
    const refused = new Set(findings.flatMap(({ labels }) => labels.map(({ span }) => span.line)))
    const all = [...imports.forbidden, ...imports.allowed]
    assert.deepStrictEqual(
      all.filter((_, at) => refused.has(at + 1)),
      imports.forbidden,
    )
  })

  it.each(Object.entries(misplaced))("refuses the planted code in %s", (file, [, rule]) => {
    assert.isTrue(errors.some(({ filename, code }) => filename === file && code.includes(rule)))
  })
})

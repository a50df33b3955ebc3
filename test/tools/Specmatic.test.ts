import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { Exports } from "../../src/business/privacy/Exports.ts"
import { Projects } from "../../src/business/projects/Projects.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { CleanupOldData } from "../../src/domain/jobs/JobKinds.ts"
import type { UserId } from "../../src/domain/users/User.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { installedIn, run } from "../fixtures/processes/Installed.ts"
import { hasProgram, program } from "../fixtures/servers/Programs.ts"
import { baseUrl, TestServer } from "../TestApp.ts"

const directory = "test/specmatic"

type Path = ReadonlyArray<string>

const app = "/api/v1/app"
const streams =
  "answers in JSON or as text/event-stream, depending on a field of the body; and accepts texts so long that Specmatic's log of them would take gigabytes"
const once = "a key is valid for one request only, and Specmatic reuses its keys"

/**
 * The parts of the document withheld from Specmatic, which cannot call them correctly, with the
 * reason.
 */
const withheld: ReadonlyArray<readonly [Path, string]> = [
  [["paths", `${app}/ai/completions`], streams],
  [["paths", `${app}/ai/chat`], streams],
  [["paths", `${app}/ai/chat/routed`], streams],
  [["components", "schemas", "AiCompletionInput"], streams],
  [["components", "schemas", "AiChatInput"], streams],
  [["components", "schemas", "AiRoutedInput"], streams],
  [["paths", `${app}/users/me`, "delete"], "closes the account that sends all other requests"],
  [["paths", `${app}/projects`, "post", "parameters", "Idempotency-Key"], once],
  [
    ["components", "schemas", "UserUpdate", "properties", "avatar_url"],
    "Specmatic does not generate URLs (format: uri)",
  ],
  [
    ["paths", "/api/v1/public/metrics", "get", "security"],
    "its token is optional here, but Specmatic expects a refusal without one",
  ],
]

const at = (document: object, path: Path) =>
  path.reduce<object>((parent, key) => Object(Reflect.get(parent, key)), document)

/** Removes the part, which must exist: the table must not list parts that are gone. */
const withhold = (document: object, path: Path) => {
  const [last = ""] = path.slice(-1)
  const parent = at(document, path.slice(0, -1))
  const key = Array.isArray(parent)
    ? String(parent.findIndex(({ name }: { readonly name: string }) => name === last))
    : last
  assert.property(parent, key, path.join(" "))
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else Reflect.deleteProperty(parent, key)
}

const configurationFor = (token: string) => ({
  version: 2,
  disableTelemetry: true,
  security: { OpenAPI: { securitySchemes: { bearer: { type: "bearer", token } } } },
  contracts: [{ filesystem: { directory: "." }, provides: ["openapi.json"] }],
  // Without a limit, it sends thousands of requests to a list with many parameters.
  test: { maxTestRequestCombinations: 10, resiliencyTests: { enable: "all" } },
})

interface Ids {
  readonly user_id: string
  readonly project_id: string
  readonly job_id: string
}

const example = (method: string, path: string, answer: object) => ({
  "http-request": { method, path },
  "http-response": answer,
})

/** Requests sent once with their own ids, because they remove what other requests need. */
const examplesOf = (document: object, removed: Ids, cancelled: Ids) => {
  const jobs = "/api/v1/admin/jobs"
  const media = ["200", "content", "application/json", "example"]
  const body = at(document, ["paths", `${jobs}/{job_id}`, "get", "responses", ...media])
  const job = { status: 200, body }
  return {
    remove: example("DELETE", `${app}/projects/${removed.project_id}`, { status: 204 }),
    cancel: example("DELETE", `${jobs}/${removed.job_id}`, job),
    retry: example("POST", `${jobs}/${cancelled.job_id}/retry`, job),
  }
}

const newIds = (user_id: UserId) =>
  Effect.gen(function* () {
    const [projects, queue] = [yield* Projects, yield* JobQueue]
    const project = yield* projects.create(
      { id: user_id, plan: "free" },
      { name: "Engine", description: null },
    )
    const job = yield* queue.enqueue(CleanupOldData, {}, { delay: "1 hour" })
    return { user_id, project_id: project.id, job_id: job.id } satisfies Ids
  })

/** Creates a directory with the document, the configuration of Specmatic, and existing ids. */
const prepared = (document: object) =>
  Effect.gen(function* () {
    const [{ id, token }, other] = [yield* newCaller("superadmin"), yield* newCaller()]
    const [live, removed, cancelled] = [yield* newIds(id), yield* newIds(id), yield* newIds(id)]
    yield* Effect.flatMap(JobQueue, (queue) => queue.cancel(cancelled.job_id))
    yield* Effect.flatMap(Exports, (exports) => exports.make(id))
    const cwd = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-specmatic-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
    )
    const write = (name: string, content: object) =>
      writeFileSync(join(cwd, name), JSON.stringify(content))
    write("specmatic.json", configurationFor(token))
    write("openapi.json", document)
    const ids = { ...live, user_id: other.id, id: other.id }
    // The only cursor that does not come from an answer.
    const QUERY = { cursor: "" }
    write("openapi_dictionary.json", { PARAMETERS: { PATH: ids, QUERY } })
    mkdirSync(join(cwd, "openapi_examples"))
    for (const [name, example] of Object.entries(examplesOf(document, removed, cancelled))) {
      write(`openapi_examples/${name}.json`, example)
    }
    return cwd
  })

/** Returns the tests of the report, with their operation and failure. */
const testsIn = (report: string) =>
  Array.from(report.matchAll(/<testcase [^]*?<\/testcase>/g), ([test]) => ({
    operation: /Scenario: (\w+ \S+) /.exec(test)?.[1] ?? test,
    failure: test.includes("<failure") || test.includes("<error") ? test : null,
  }))

layer(TestServer, { excludeTestServices: true })("The OpenAPI document and the server", (it) => {
  it.effect.skipIf(!hasProgram("java"))(
    "agree on every valid and invalid request that Specmatic generates",
    () =>
      Effect.gen(function* () {
        yield* installedIn(directory)
        const document = structuredClone(OpenApi.fromApi(Api))
        for (const [path] of withheld) withhold(document, path)
        const cwd = yield* prepared(document)
        const output = yield* run(cwd, program("java") ?? "", [
          // It does not run long enough for the second compiler to pay.
          "-XX:TieredStopAtLevel=1",
          "-XX:+UseSerialGC",
          "-jar",
          resolve(directory, "node_modules/specmatic/specmatic.jar"),
          "test",
          `--testBaseURL=${yield* baseUrl}`,
          "--junitReportDir=report",
        ])
        const report = join(cwd, "report/TEST-junit-jupiter.xml")
        assert(existsSync(report), output.slice(-2000))
        const tests = testsIn(readFileSync(report, "utf8"))
        assert.deepStrictEqual(
          tests.flatMap(({ failure }) => failure ?? []),
          [],
        )
        assert.deepStrictEqual(
          [...new Set(tests.map(({ operation }) => operation))].toSorted(),
          operationsOf(document.paths),
        )
        assert.strictEqual(output, "")
      }),
    300_000,
  )
})

/** Names operations as the report does. */
const operationsOf = (paths: OpenApi.OpenAPISpec["paths"]) =>
  Object.entries(paths)
    .flatMap(([path, item]) =>
      Object.keys(item).map(
        (method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, "($1:string)")}`,
      ),
    )
    .toSorted()

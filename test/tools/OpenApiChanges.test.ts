import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { changes } from "../fixtures/http/OpenApiChanges.ts"
import { type Json, record } from "../fixtures/data/SchemaFit.ts"

const committed = JSON.parse(readFileSync("openapi.json", "utf8")) as Json
const served = structuredClone<unknown>(OpenApi.fromApi(Api)) as Json

/**
 * Returns the document with the value at a path of space-separated keys replaced, or removed
 * without a value.
 */
const edited = (path: string, value?: unknown): Json => {
  const copy = structuredClone(committed)
  const keys = path.split(" ")
  const last = keys.pop() ?? ""
  const found = keys.reduce<unknown>((within, key) => record(within)[key], copy)
  assert(typeof found === "object" && found !== null, path)
  if (value === undefined) Reflect.deleteProperty(found, last)
  else Reflect.set(found, last, value)
  return copy
}

const projects = "paths /api/v1/app/projects"
const skip = `${projects} get parameters 0`
const post = `${projects} post`
const schemas = "components schemas"
const parameter = (required: boolean) => ({ name: "q", in: "query", required, schema: {} })
const bearer = [{ bearer: [] }]

/** Edits that break clients, with the reported breaks. */
const breaking: ReadonlyArray<readonly [told: string, path: string, value?: unknown]> = [
  ["removed", `${projects} post`],
  ["removed", "paths /api/v1/app/ai/status"],
  ['operationId was "projects.create", is "make"', `${post} operationId`, "make"],
  ['security was [], is [{"bearer":[]}]', "paths /api/v1/public/health get security", bearer],
  // Requests.
  ["query q: required", `${projects} get parameters 4`, parameter(true)],
  ["query skip: required", `${skip} required`, true],
  ["query skip: removed", `${skip} name`, "offset"],
  ["query skip: minimum was 0, is 1", `${skip} schema minimum`, 1],
  ['query skip: type was "integer", is "string"', `${skip} schema type`, "string"],
  ["query skip: multipleOf was nothing, is 10", `${skip} schema multipleOf`, 10],
  ["query search: maxLength was 255, is 10", `${projects} get parameters 3 schema maxLength`, 10],
  ["request.q: required", `${schemas} ProjectCreate required`, ["name", "q"]],
  ["request.description: removed", `${schemas} ProjectCreate properties description`],
  ['request: type was "object", is "string"', `${schemas} ProjectCreate type`, "string"],
  ["request application/json: removed", `${post} requestBody content application/json`],
  [
    'request.role: enum was ["user","admin","superadmin"], is ["user"]',
    `${schemas} AdminUserPatch properties role enum`,
    ["user"],
  ],
  // Answers.
  ["answer 201: removed", `${post} responses 201`],
  ["answer 202: added", `${post} responses 202`, {}],
  ["answer 201 application/json: removed", `${post} responses 201 content application/json`],
  ["answer 201 RateLimit: removed", `${post} responses 201 headers RateLimit`],
  ["answer 200.providers: removed", `${schemas} AiStatus properties providers`],
  ["answer 200.id: no longer always there", `${schemas} User required 0`],
  [
    'answer 200.role: enum was ["user","admin","superadmin"], is ["user","owner"]',
    `${schemas} User properties role enum`,
    ["user", "owner"],
  ],
  [
    'answer 200.full_name: type was "string", is "integer"',
    `${schemas} User properties full_name anyOf 0 type`,
    "integer",
  ],
  [
    'answer 200.is_active: type was "boolean", is "null"',
    `${schemas} User properties is_active`,
    { anyOf: [{ type: "boolean" }, { type: "null" }] },
  ],
]

const compatible: ReadonlyArray<readonly [why: string, path: string, value?: unknown]> = [
  ["a new operation", `${projects} put`, {}],
  ["a new optional parameter", `${projects} get parameters 4`, parameter(false)],
  ["a new optional request field", `${schemas} ProjectCreate properties q`, { type: "string" }],
  ["a request field that becomes optional", `${schemas} ProjectCreate required`, []],
  ["a new answer field", `${schemas} Project properties q`, { type: "string" }],
  ["a wider range in a request", `${projects} get parameters 1 schema maximum`, 1000],
  ["a longer text in a request", `${projects} get parameters 3 schema maxLength`],
  [
    "more values in a request",
    `${schemas} AdminUserPatch properties role enum`,
    ["user", "admin", "superadmin", "owner"],
  ],
  ["fewer values in an answer", `${schemas} User properties role enum`, ["user"]],
  [
    "an answer field that is never null",
    `${schemas} User properties full_name`,
    { type: "string" },
  ],
  [
    "a request field that may be null",
    `${schemas} ProjectCreate properties name`,
    { anyOf: [{ type: "string" }, { type: "null" }] },
  ],
  ["a new failure", `${post} responses 418`, {}],
  ["a removed failure", `${post} responses 409`],
  ["no token required", `${post} security`, []],
  ["another description", `${post} summary`, "Make a project"],
]

/** Removes the operations and duplicates. */
const texts = (found: ReadonlyArray<string>) => [
  ...new Set(found.map((text) => text.replace(/^[A-Z]+ \S+: /, ""))),
]

describe("An OpenAPI document change", () => {
  it("is committed with its cause: npm run openapi", () => {
    assert.deepStrictEqual(changes(committed, served), { breaking: [], compatible: [] })
    assert.deepStrictEqual(served, committed)
  })

  for (const [message, path, value] of breaking) {
    it(`breaks clients: ${message}`, () => {
      assert.deepStrictEqual(texts(changes(committed, edited(path, value)).breaking), [message])
    })
  }

  it("breaks clients: a renamed type", () => {
    const { breaking: found } = changes(committed, edited(`${schemas} UsageDaily`))
    assert.include(found, "schema UsageDaily: removed")
  })

  for (const [why, path, value] of compatible) {
    it(`is compatible: ${why}`, () => {
      const found = changes(committed, edited(path, value))
      assert.deepStrictEqual(found.breaking, [])
      assert.notDeepEqual(found.compatible, [])
    })
  }
})

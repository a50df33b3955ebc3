import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { changes } from "../fixtures/OpenApiChanges.ts"
import { type Json, record } from "../fixtures/SchemaFit.ts"

const committed = JSON.parse(readFileSync("openapi.json", "utf8")) as Json
const served = structuredClone<unknown>(OpenApi.fromApi(Api)) as Json

/** What is where, in words that keys of objects are, and what comes in its place: nothing, when it is taken away. */
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

/** All that an edit breaks, of whichever operation. */
const breaking: ReadonlyArray<readonly [told: string, path: string, value?: unknown]> = [
  ["removed", `${projects} post`],
  ["removed", "paths /api/v1/app/ai/status"],
  ['operationId was "projects.create", is "make"', `${post} operationId`, "make"],
  ['security was [], is [{"bearer":[]}]', "paths /api/v1/public/health get security", bearer],
  // What is sent.
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
  // What is answered.
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
  ["an operation more", `${projects} put`, {}],
  ["a parameter more", `${projects} get parameters 4`, parameter(false)],
  ["a field more that may be sent", `${schemas} ProjectCreate properties q`, { type: "string" }],
  ["a field less that must be sent", `${schemas} ProjectCreate required`, []],
  ["a field more in an answer", `${schemas} Project properties q`, { type: "string" }],
  ["a wider range of what is sent", `${projects} get parameters 1 schema maximum`, 1000],
  ["a longer text that may be sent", `${projects} get parameters 3 schema maxLength`],
  [
    "more values that may be sent",
    `${schemas} AdminUserPatch properties role enum`,
    ["user", "admin", "superadmin", "owner"],
  ],
  ["fewer values in an answer", `${schemas} User properties role enum`, ["user"]],
  ["never null in an answer", `${schemas} User properties full_name`, { type: "string" }],
  [
    "null that may be sent",
    `${schemas} ProjectCreate properties name`,
    { anyOf: [{ type: "string" }, { type: "null" }] },
  ],
  ["a failure more", `${post} responses 418`, {}],
  ["a failure less", `${post} responses 409`],
  ["no token asked for", `${post} security`, []],
  ["other words", `${post} summary`, "Make a project"],
]

/** Once each, whichever operation it is of. */
const texts = (found: ReadonlyArray<string>) => [
  ...new Set(found.map((text) => text.replace(/^[A-Z]+ \S+: /, ""))),
]

describe("A change of the OpenAPI document", () => {
  it("is committed with what makes it: npm run openapi", () => {
    assert.deepStrictEqual(changes(committed, served), { breaking: [], compatible: [] })
    assert.deepStrictEqual(served, committed)
  })

  for (const [told, path, value] of breaking) {
    it(`breaks clients: ${told}`, () => {
      assert.deepStrictEqual(texts(changes(committed, edited(path, value)).breaking), [told])
    })
  }

  it("breaks clients: a type has another name", () => {
    const { breaking: found } = changes(committed, edited(`${schemas} UsageDaily`))
    assert.include(found, "schema UsageDaily: removed")
  })

  for (const [why, path, value] of compatible) {
    it(`breaks no client: ${why}`, () => {
      const found = changes(committed, edited(path, value))
      assert.deepStrictEqual(found.breaking, [])
      assert.notDeepEqual(found.compatible, [])
    })
  }
})

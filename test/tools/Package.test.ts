import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { build } from "esbuild"
import { browse } from "../fixtures/http/Browser.ts"
import { pack, type Package } from "../fixtures/processes/Package.ts"
import { baseUrl, clientFor, newUser, testServerWith, tokenFor } from "../TestApp.ts"

class Packed extends Context.Service<Packed, Package>()("plinth/test/tools/Package.test/Packed") {
  static readonly layer = Layer.effect(
    this,
    Effect.tap(pack, ({ consumer }) =>
      Effect.sync(() => cpSync("test/consumer", consumer, { recursive: true })),
    ),
  )
}

const origin = "https://app.example.com"

const RPC_TOKEN = "a-token-of-thirty-two-bytes-or-so"

const Server = testServerWith({ BACKEND_CORS_ORIGINS: JSON.stringify([origin]), RPC_TOKEN })

/** The only files that the package may contain. */
const expected = [
  /^(?:package\.json|README\.md|docs\/clients\.md|LICENSE)$/,
  /^dist\/cli(?:-program)?\.js$/,
  /^dist\/cli-chunks\/[\w-]+\.js$/,
  /^dist\/lib\/package\.json$/,
  /^dist\/lib\/src\/(?:api|domain|exports|http|rpc)\/[\w/]+\.(?:js|d\.ts)$/,
]

/**
 * Sizes in bytes, about a tenth above the sizes when this was written. Bundles are minified and
 * gzipped.
 */
const limits = { tarball: 3_100_000, api: 190_000, rpc: 228_000, domain: 136_000 }

interface Manifest {
  readonly version: string
  readonly dependencies?: object
  readonly optionalDependencies?: object
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>
}

const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest

interface FrontEnd {
  readonly run: (url: string, token: () => Promise<string | null>) => Promise<unknown>
}

interface OtherService {
  readonly run: (url: string, token: string, owner: string) => Promise<unknown>
}

const bundle = (consumer: string, name: string) =>
  Effect.map(
    Effect.promise(() =>
      build({
        absWorkingDir: consumer,
        entryPoints: [`${name}.ts`],
        bundle: true,
        platform: "browser",
        format: "iife",
        globalName: "page",
        minify: true,
        metafile: true,
        write: false,
        outdir: "out",
      }),
    ),
    ({ metafile: { outputs }, outputFiles: [output] }) => ({
      script: output?.text ?? "",
      size: gzipSync(output?.contents ?? "").length,
      // Excludes modules that were tree-shaken completely.
      parts: Object.values(outputs)
        .flatMap(({ inputs }) => Object.entries(inputs))
        .flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [partOf(file)] : [])),
    }),
  )

/**
 * Returns `effect/http/HttpBody` for a file, `plinth/domain/users/User`, `jose/index`; without a package,
 * the path.
 */
const partOf = (file: string) =>
  file
    .replace(/^.*node_modules\/(?!.*node_modules\/)/, "")
    .replace(/^(effect|plinth)\/dist\/(?:lib\/(?:src\/)?)?/, "$1/")
    .replace(/\.js$/, "")

const imports = `import type { PlinthApi } from "plinth/api"; import type { ProjectCreate, ProjectId, UserId } from "plinth/domain"; import type { PlinthRpc } from "plinth/rpc"; declare const api: PlinthApi["Service"]; declare const rpc: PlinthRpc["Service"]; declare const user: UserId`

/** Lines that must not compile for a consumer. */
const misuses = [
  "export const named = api.projects.create({ payload: { name: 1, description: null } })",
  "export const nameless: ProjectCreate = { description: null }",
  'export const unknown = rpc("projects.forget", { owner_id: user })',
  "export const project: ProjectId = user",
]

const server =
  /^effect\/(?:cli|cluster|persistence|process|sql|workflow)\/|HttpApiBuilder|RpcServer/

layer(Packed.layer, { excludeTestServices: true, timeout: 180_000 })("The package", (it) => {
  it.effect("contains its programs, its contracts and their types, and nothing else", () =>
    Effect.gen(function* () {
      const { files, installed, tarball } = yield* Packed
      assert.deepStrictEqual(
        files.filter((file) => !expected.some((pattern) => pattern.test(file))),
        [],
      )
      const manifest = manifestOf(installed)
      assert.deepStrictEqual(Object.keys(manifest.exports), ["./api", "./domain", "./rpc"])
      const named = [...Object.values(manifest.exports), manifest.bin].flatMap(
        Object.values<string>,
      )
      for (const file of named) assert.include(files, file.replace("./", ""))
      assert.isBelow(statSync(tarball).size, limits.tarball)
    }),
  )

  it.effect(
    "has one peer dependency, effect in the version of the build, and no other dependency",
    () =>
      Effect.gen(function* () {
        const { installed } = yield* Packed
        const [manifest, { version }] = [manifestOf(installed), manifestOf("node_modules/effect")]
        assert.deepStrictEqual(manifest.peerDependencies, { effect: version })
        assert.isUndefined(manifest.dependencies)
        assert.isUndefined(manifest.optionalDependencies)
        const page = readFileSync(join(installed, "docs", "clients.md"), "utf8")
        assert.include(page, `npm install plinth-${manifest.version}.tgz effect@${version}`)
      }),
  )

  it.effect("contains no path of the machine it was built on", () =>
    Effect.gen(function* () {
      const { builtIn, files, installed } = yield* Packed
      const places = [builtIn, realpathSync("node_modules")]
      const leaking = files.filter((file) => {
        const text = readFileSync(join(installed, file), "utf8")
        return places.some((place) => text.includes(place))
      })
      assert.deepStrictEqual(leaking, [])
    }),
  )

  it.effect("has a program that needs no other package", () =>
    Effect.gen(function* () {
      const { consumer, installed } = yield* Packed
      const words = [join(installed, "dist", "cli.js"), "openapi"]
      const document = execFileSync(process.execPath, words, { cwd: consumer, encoding: "utf8" })
      assert.include(document, "/api/v1/app/projects")
    }),
  )

  for (const resolution of ["nodenext", "bundler"]) {
    it.effect(`has types that hold under moduleResolution ${resolution}, and refuse misuse`, () =>
      Effect.gen(function* () {
        const project = join((yield* Packed).consumer, `tsconfig.${resolution}.json`)
        const tsc = resolve("node_modules/typescript/bin/tsc")
        const file = join((yield* Packed).consumer, "misuse.ts")
        writeFileSync(file, [imports, ...misuses].join("\n"))
        // One checker does half the work of the usual four.
        const words = [tsc, "--project", project, "--checkers", "1", "--pretty", "false"]
        const { stdout } = spawnSync(process.execPath, words, { encoding: "utf8" })
        rmSync(file)
        // An error and the lines that explain it.
        const misuse = /^\S*misuse\.ts\((\d+),.*\n(?: .*\n)*/gm
        assert.strictEqual(stdout.replaceAll(misuse, ""), "")
        const refused = Array.from(stdout.matchAll(misuse), ([, line]) => Number(line))
        assert.deepStrictEqual(
          [...new Set(refused)],
          misuses.map((_, at) => at + 2),
        )
      }),
    )
  }

  for (const [name, ours] of [
    ["api", /^plinth\/(?:package\.json|(?:api|domain|exports|http)\/.*)$/],
    ["rpc", /^plinth\/(?:api|domain|exports|http|rpc)\/.*$/],
    // Excludes what the test page does not use.
    [
      "domain",
      /^plinth\/(?:domain\/(?:Bounds|Errors|Fields|Project|Rfc3339|Storable|users\/User)|exports\/Domain)$/,
    ],
  ] as const) {
    it.effect(`bundles for a browser that imports ${name} only its contract and effect`, () =>
      Effect.gen(function* () {
        const { parts, script, size } = yield* bundle((yield* Packed).consumer, name)
        const foreign = parts.filter(
          (part) =>
            part !== `${name}.ts` &&
            !ours.test(part) &&
            (!part.startsWith("effect/") || server.test(part)),
        )
        assert.deepStrictEqual(foreign, [])
        assert.notMatch(script, /pg-boss|ioredis|@anthropic-ai/)
        assert.isBelow(size, limits[name])
      }),
    )
  }

  it.layer(Server)((it) => {
    it.effect("has an API client that works in a page of another origin", () =>
      Effect.gen(function* () {
        const { script } = yield* bundle((yield* Packed).consumer, "api")
        const [url, token] = [
          yield* baseUrl,
          yield* tokenFor(newUser(), { email: "ada@example.com" }),
        ]
        const { run } = (yield* browse(script, origin)) as FrontEnd
        let tokenRequests = 0
        const getToken = () => {
          tokenRequests += 1
          return Promise.resolve(token)
        }
        assert.deepStrictEqual(yield* Effect.promise(() => run(url, getToken)), {
          email: "ada@example.com",
          name: "Engine",
          names: ["Engine"],
          missing: "Project",
          refused: "SchemaError",
        })
        assert.strictEqual(tokenRequests, 4, "before each request")
        const signedOut = yield* Effect.promise(() =>
          run(url, () => Promise.resolve(null)).catch(String),
        )
        assert.include(signedOut, "AuthenticationError")
      }),
    )

    it.effect("has an RPC client that needs only fetch", () =>
      Effect.gen(function* () {
        const { script } = yield* bundle((yield* Packed).consumer, "rpc")
        const [url, owner] = [yield* baseUrl, newUser()]
        yield* (yield* clientFor(owner)).users.me()
        const { run } = (yield* browse(script, url)) as OtherService
        assert.deepStrictEqual(yield* Effect.promise(() => run(url, RPC_TOKEN, owner)), {
          name: "Engine",
          names: ["Engine"],
          missing: "User",
          said: "You said: Hello",
        })
        const stranger = yield* Effect.promise(() => run(url, "another", owner).catch(String))
        assert.include(stranger, "AuthenticationError")
      }),
    )
  })
})

import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import http from "node:http"
import { build, type Plugin } from "esbuild"

/**
 * `dist/`: for each process an entry that looks at the Node version before it loads the program. What is loaded only
 * when it is used (OpenTelemetry, Swagger) stands in chunks of its own. `node --enable-source-maps dist/main.js`
 * gives readable stack traces; without it the maps are not read.
 */

const processes = ["main", "worker", "cli"]

/** Importing node:http reads all its exports, and three of them load all of fetch: 8 MB and 50 ms that no server uses. */
const slimHttp: Plugin = {
  name: "slim-http",
  setup({ onLoad, onResolve }) {
    const fetching = new Set(["WebSocket", "CloseEvent", "MessageEvent"])
    const names = Object.keys(http).filter((name) => !fetching.has(name))
    onResolve({ filter: /^(?:node:)?http$/ }, ({ kind }) =>
      kind === "import-statement" ? { path: "node:http", namespace: "slim" } : undefined,
    )
    onLoad({ filter: /./, namespace: "slim" }, () => ({
      contents: `const http = process.getBuiltinModule("node:http")
        export default http
        export const { ${names.join(", ")} } = http`,
    }))
  },
}

rmSync("dist", { recursive: true, force: true })

/** Each process by itself: what two share would be cut into chunks that fit neither. */
const bundle = (name: string) =>
  build({
    entryPoints: { [`${name}-program`]: `src/${name}.ts` },
    outdir: "dist",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22.19",
    // What is imported on demand must be ESM: of CommonJS, a chunk exports nothing but its default.
    mainFields: ["module", "main"],
    chunkNames: `${name}-chunks/[name]-[hash]`,
    minify: true,
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    plugins: [slimHttp],
    // Dependencies written as CommonJS call require.
    banner: {
      js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);",
    },
  })

const bundles = await Promise.all(processes.map(bundle))

// Every import() that esbuild reads becomes a chunk, also where what would run it is left out: 3 MB of a documentation
// page that nobody serves.
for (const { outputs } of bundles.map(({ metafile }) => metafile)) {
  const used = new Set(
    Object.values(outputs).flatMap(({ imports }) => imports.map((file) => file.path)),
  )
  for (const file of Object.keys(outputs)) {
    if (!/-chunks\/.*\.js$/.test(file) || used.has(file)) continue
    for (const path of [file, `${file}.map`]) {
      rmSync(path)
      delete outputs[path]
    }
  }
}

const requireNode = readFileSync("scripts/RequireNode.js", "utf8")
for (const name of processes) {
  const entry = `dist/${name}.js`
  writeFileSync(
    entry,
    `#!/usr/bin/env node
import module from "node:module"
${requireNode}
module.enableCompileCache?.()
await import("./${name}-program.js")
`,
  )
  chmodSync(entry, 0o755)
}

const bytes = bundles
  .flatMap(({ metafile }) => Object.entries(metafile.outputs))
  .filter(([file]) => file.endsWith(".js"))
  .reduce((sum, [, output]) => sum + output.bytes, 0)
process.stdout.write(`dist: ${processes.join(", ")}, ${Math.round(bytes / 1024)} KiB\n`)

import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import http from "node:http"
import { build, type Plugin } from "esbuild"

/**
 * Builds `dist/`. The entry of each process checks the Node version before it loads the program. Code that is loaded on
 * demand (OpenTelemetry, Swagger) is in separate chunks. `node --enable-source-maps dist/main.js` gives readable stack
 * traces; without the flag, the maps are not read.
 */

const processes = ["main", "worker", "cli"]

/** Imports node:http without the three exports that load all of fetch: 8 MB and 50 ms, which no server needs. */
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

/** Bundles one process. A common build would split shared code into chunks that fit no process. */
const bundle = (name: string) =>
  build({
    entryPoints: { [`${name}-program`]: `src/${name}.ts` },
    outdir: "dist",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22.19",
    // Modules imported on demand must be ESM: a chunk of a CommonJS module has only a default export.
    mainFields: ["module", "main"],
    chunkNames: `${name}-chunks/[name]-[hash]`,
    minify: true,
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    plugins: [slimHttp],
    // CommonJS dependencies call require.
    banner: {
      js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);",
    },
  })

const bundles = await Promise.all(processes.map(bundle))

// esbuild creates a chunk for every import(), even if the code that runs it is removed: 3 MB of an unused documentation
// page. Deletes chunks that no output imports.
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

import { readFileSync } from "node:fs"
import http from "node:http"
import { resolve } from "node:path"
import { build, type Plugin } from "esbuild"

/** Imports node:http without the three exports that load all of fetch: 8 MB and 50 ms, which no server needs. */
const slimHttp: Plugin = {
  name: "slim-http",
  setup({ onLoad, onResolve }) {
    const loadsFetch = new Set(["WebSocket", "CloseEvent", "MessageEvent"])
    const names = Object.keys(http).filter((name) => !loadsFetch.has(name))
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

/** Bundles only the version of package.json, which is all that the code reads. */
const slimManifest: Plugin = {
  name: "slim-manifest",
  setup({ onLoad }) {
    onLoad({ filter: /package\.json$/ }, ({ path }) => {
      if (path !== resolve("package.json")) return undefined
      const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string }
      return { contents: JSON.stringify({ version }), loader: "json" }
    })
  },
}

interface Options {
  readonly entryPoints: Record<string, string>
  readonly outdir: string
  readonly chunkNames: string
  readonly sourcemap: "linked" | false
}

/** Bundles one process. A build of all processes would split their code into chunks of which each loads too much. */
export const bundle = (options: Options) =>
  build({
    ...options,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22.19",
    // Modules imported on demand must be ESM: a chunk of a CommonJS module has only a default export.
    mainFields: ["module", "main"],
    minify: true,
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    plugins: [slimHttp, slimManifest],
    // CommonJS dependencies call require.
    banner: {
      js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);",
    },
  })

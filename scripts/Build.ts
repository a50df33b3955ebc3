import { chmodSync, rmSync, writeFileSync } from "node:fs"
import { build } from "esbuild"

/**
 * `dist/`: one file per process, which looks at the Node version before it loads the program, because the program
 * itself would not even parse on a Node too old for it. What is loaded only when it is used (OpenTelemetry, Swagger)
 * stands in chunks of its own.
 */

const processes = ["main", "cli"]

rmSync("dist", { recursive: true, force: true })

const { metafile } = await build({
  entryPoints: Object.fromEntries(processes.map((name) => [`${name}-program`, `src/${name}.ts`])),
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node22.19",
  chunkNames: "chunks/[name]-[hash]",
  minify: true,
  keepNames: true,
  legalComments: "none",
  metafile: true,
  // Dependencies written as CommonJS call require.
  banner: {
    js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);",
  },
})

for (const name of processes) {
  const entry = `dist/${name}.js`
  writeFileSync(
    entry,
    `#!/usr/bin/env node
import { enableCompileCache } from "node:module"
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error("plinth: needs Node 22.19 or newer, this is " + process.versions.node)
  process.exit(1)
}
enableCompileCache?.()
await import("./${name}-program.js")
`,
  )
  chmodSync(entry, 0o755)
}

for (const [file, { bytes }] of Object.entries(metafile.outputs)) {
  process.stdout.write(`${file} ${Math.round(bytes / 1024)} KiB\n`)
}

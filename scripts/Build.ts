import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { bundle } from "./Bundle.ts"

/**
 * Builds `dist/`. The entry of each process checks the Node version before it loads the program. Code that is loaded on
 * demand (OpenTelemetry, Swagger) is in separate chunks. `node --enable-source-maps dist/main.js` gives readable stack
 * traces; without the flag, the maps are not read.
 */

const processes = ["main", "worker", "cli"]

rmSync("dist", { recursive: true, force: true })

const bundles = await Promise.all(
  processes.map((name) =>
    bundle({
      entryPoints: { [`${name}-program`]: `src/${name}.ts` },
      outdir: "dist",
      chunkNames: `${name}-chunks/[name]-[hash]`,
      sourcemap: "linked",
    }),
  ),
)

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

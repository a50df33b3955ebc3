import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"

/**
 * Writes the package.json of the published package. Its only dependency is effect, as a peer, because the programs are
 * bundled. `npm pack` runs this before packing and, with `--undo`, afterwards.
 */

interface Manifest {
  readonly dependencies: { readonly effect: string }
  readonly scripts: object
  readonly devDependencies: object
  readonly optionalDependencies: object
  readonly allowScripts: object
}

const original = "package.json.original"

if (process.argv.includes("--undo")) renameSync(original, "package.json")
else {
  // An interrupted run leaves the original behind.
  if (!existsSync(original)) copyFileSync("package.json", original)
  const {
    allowScripts: _allowScripts,
    dependencies: { effect },
    devDependencies: _devDependencies,
    optionalDependencies: _optionalDependencies,
    scripts: _scripts,
    ...rest
  } = JSON.parse(readFileSync(original, "utf8")) as Manifest
  const manifest = { ...rest, peerDependencies: { effect } }
  writeFileSync("package.json", `${JSON.stringify(manifest, null, 2)}\n`)
}

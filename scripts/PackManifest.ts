import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"

/**
 * The package.json of the package: what runs is bundled, so that a front end installs effect alone, the copy that it
 * has anyway. `npm pack` calls this before and, with `--undo`, after.
 */

interface Manifest {
  readonly dependencies: { readonly effect: string }
  readonly scripts: object
  readonly devDependencies: object
  readonly optionalDependencies: object
  readonly allowScripts: object
}

const kept = "package.json.kept"

if (process.argv.includes("--undo")) renameSync(kept, "package.json")
else {
  // There is one after a run that was cut short.
  if (!existsSync(kept)) copyFileSync("package.json", kept)
  const {
    allowScripts: _allowScripts,
    dependencies: { effect },
    devDependencies: _devDependencies,
    optionalDependencies: _optionalDependencies,
    scripts: _scripts,
    ...rest
  } = JSON.parse(readFileSync(kept, "utf8")) as Manifest
  const manifest = { ...rest, peerDependencies: { effect } }
  writeFileSync("package.json", `${JSON.stringify(manifest, null, 2)}\n`)
}

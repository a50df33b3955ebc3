// The programs would not even parse on a Node too old for them, so this runs first, and is plain JavaScript.
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`plinth: needs Node 22.19 or newer, this is ${process.versions.node}\n`)
  process.exit(1)
}

// Node 22 calls node:sqlite experimental with every start.
const { emitWarning } = process
process.emitWarning = (warning, ...rest) => {
  if (!String(warning).startsWith("SQLite is an experimental"))
    emitWarning.call(process, warning, ...rest)
}

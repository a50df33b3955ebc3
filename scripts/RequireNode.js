// Checks the Node version. Runs first and is plain JavaScript, because an older Node cannot parse the programs.
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `plinth: needs Node 22.19 or newer, but this is Node ${process.versions.node}\n`,
  )
  process.exit(1)
}

// Suppresses the warning of Node 22, at every start, that node:sqlite is experimental.
const { emitWarning } = process
process.emitWarning = (warning, ...rest) => {
  if (!String(warning).startsWith("SQLite is an experimental"))
    emitWarning.call(process, warning, ...rest)
}

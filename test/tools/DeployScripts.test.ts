import { spawnSync } from "node:child_process"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { hasProgram } from "../fixtures/servers/Programs.ts"

/**
 * Runs the real scripts on a machine whose ssh, kubectl, curl and docker record their arguments.
 */

const directory = mkdtempSync(join(tmpdir(), "plinth-deploy-"))
afterAll(() => rmSync(directory, { recursive: true }))
const image = "ghcr.io/acme/plinth@sha256:0123"

const run = (
  script: "deploy" | "rollout",
  word: string,
  environment: Readonly<Record<string, string>>,
  programs: Readonly<Record<string, string>>,
) => {
  const machine = mkdtempSync(join(directory, "machine-"))
  cpSync("deploy", join(machine, "deploy"), { recursive: true })
  cpSync("docker-compose.yml", join(machine, "docker-compose.yml"))
  cpSync("grafana", join(machine, "grafana"), { recursive: true })
  mkdirSync(join(machine, "bin"))
  for (const [name, body] of Object.entries(programs)) {
    const file = join(machine, "bin", name)
    writeFileSync(file, `#!/bin/bash\necho "${name} $*" >>"$CALLS"\n${body}\n`)
    chmodSync(file, 0o755)
  }
  const calls = join(machine, "calls")
  const temporary = join(machine, "tmp")
  mkdirSync(temporary)
  const { status, stderr, stdout } = spawnSync("bash", [`deploy/${script}.sh`, word], {
    cwd: machine,
    encoding: "utf8",
    env: {
      PATH: [join(machine, "bin"), "/usr/bin", "/bin"].join(delimiter),
      TMPDIR: temporary,
      CALLS: calls,
      ...environment,
    },
  })
  return {
    status,
    output: stdout + stderr,
    calls: existsSync(calls) ? readFileSync(calls, "utf8") : "",
    readFile: (file: string) => readFileSync(join(machine, file), "utf8"),
    temporary: spawnSync("ls", ["-A", temporary], { encoding: "utf8" }).stdout,
  }
}

const deployment = {
  metadata: { labels: { app: "plinth" } },
  spec: {
    template: {
      metadata: { labels: { app: "plinth" } },
      spec: {
        restartPolicy: "Always",
        containers: [
          {
            name: "server",
            image: "old",
            ports: [{ containerPort: 8000 }],
            readinessProbe: {},
            envFrom: [{ secretRef: { name: "plinth" } }],
          },
          { name: "sidecar", image: "other" },
        ],
      },
    },
  },
}

describe.skipIf(!hasProgram("jq"))("deploy.sh", () => {
  it("sends the files to a machine, and leaves no key behind", () => {
    const { calls, output, status, temporary } = run(
      "deploy",
      "migrate",
      {
        IMAGE: image,
        DEPLOY_TARGET: "ssh-compose",
        DEPLOY_HOST: "ops@example.com",
        DEPLOY_SSH_KEY: "the-key",
        DEPLOY_KNOWN_HOSTS: "example.com ssh-ed25519 AAAA",
      },
      // `$2` is the path of the key file.
      { ssh: 'stat --format %a "$2" >>"$CALLS"; tar --list --gzip >>"$CALLS"' },
    )
    assert.strictEqual(status, 0, output)
    assert.match(calls, /StrictHostKeyChecking=yes ops@example\.com mkdir -p 'plinth' /)
    assert.include(calls, `PLINTH_IMAGE='${image}' deploy/rollout.sh migrate\n600\n`)
    assert.include(calls, "docker-compose.yml\n")
    assert.include(calls, "deploy/haproxy.cfg\n")
    assert.deepStrictEqual([temporary, (calls + output).includes("the-key")], ["", false])
  })

  it("migrates in a Job built from the Deployment's pod, which receives no traffic", () => {
    const { calls, readFile, output, status } = run(
      "deploy",
      "migrate",
      {
        IMAGE: image,
        DEPLOY_TARGET: "kubernetes",
        KUBECONFIG_CONTENT: "config",
        GITHUB_RUN_ID: "7",
      },
      {
        kubectl: `case "$1 $2" in
          "get deployment/plinth") echo '${JSON.stringify(deployment)}' ;;
          "create --filename") cat >job.json ;;
          "get job/plinth-migrate-7-1") echo Complete ;;
        esac`,
      },
    )
    assert.strictEqual(status, 0, output)
    assert.include(
      calls,
      "kubectl wait --for=condition=complete --timeout=30s job/plinth-migrate-7-1",
    )
    const { spec } = JSON.parse(readFile("job.json"))
    assert.deepStrictEqual(spec.template, {
      metadata: { labels: { app: "plinth-migrate" } },
      spec: {
        restartPolicy: "Never",
        containers: [
          {
            name: "server",
            image,
            args: ["plinth", "migrate"],
            envFrom: [{ secretRef: { name: "plinth" } }],
          },
        ],
      },
    })
  })

  it.each([
    ["deployment.apps/plinth-worker\\n", ["plinth server", "plinth-worker worker"]],
    ["", ["plinth server"]],
  ])(
    "releases the Deployments of Kubernetes, with a worker if there is one (%j)",
    (found, released) => {
      const { calls, output, status } = run(
        "deploy",
        "release",
        { IMAGE: image, DEPLOY_TARGET: "kubernetes", KUBECONFIG_CONTENT: "config" },
        { kubectl: `case "$1" in get) printf '${found}' ;; esac` },
      )
      assert.strictEqual(status, 0, output)
      assert.deepStrictEqual(
        Array.from(
          calls.matchAll(/set image deployment\/(\S+) (\w+)=/g),
          ([, deployment, container]) => `${deployment} ${container}`,
        ),
        released,
      )
      for (const [name] of released.map((words) => words.split(" "))) {
        assert.include(calls, `kubectl rollout status deployment/${name} --timeout=10m\n`)
      }
    },
  )

  it.each([
    ["live", 0],
    ["update_failed", 1],
  ])(
    "polls a deploy of Render until it is %s, without the API key in the process list",
    (end, code) => {
      const { calls, output, status } = run(
        "deploy",
        "release",
        {
          IMAGE: image,
          DEPLOY_TARGET: "render",
          RENDER_API_KEY: "the-key",
          RENDER_SERVICE_ID: "srv-1",
          RENDER_WORKER_ID: "srv-2",
        },
        {
          curl: `cat >header; case "$*" in
          *dep-1*) echo '{"id":"dep-1","status":"${end}"}' ;;
          *) echo '{"id":"dep-1","status":"created"}' ;;
        esac`,
        },
      )
      assert.strictEqual(status, code, output)
      assert.match(
        calls,
        /https:\/\/api\.render\.com\/v1\/services\/srv-1\/deploys --data \{\n {2}"imageUrl": "ghcr/,
      )
      // The worker is released once the server is live.
      assert.strictEqual(calls.includes("/services/srv-2/deploys"), code === 0)
      assert.notInclude(calls + output, "the-key")
    },
  )

  it("names a missing variable", () => {
    const { output, status } = run(
      "deploy",
      "release",
      { IMAGE: image, DEPLOY_TARGET: "ssh-compose", DEPLOY_HOST: "ops@example.com" },
      {},
    )
    assert.strictEqual(status, 1)
    assert.include(output, "DEPLOY_SSH_KEY: a private key")
  })
})

/** Mocks two running replicas; `up` adds two more, healthy or not. */
const docker = (upExitCode: number, workerExitCode = 0) => `case "$*" in
  "compose ps --quiet server") printf 'old1\\nold2\\n' ;;
  "compose ps --all --quiet server") printf 'old1\\nnew3\\nold2\\nnew4\\n' ;;
  *--scale*) exit ${upExitCode} ;;
  *"--no-deps worker") exit ${workerExitCode} ;;
esac`

describe.skipIf(!hasProgram("jq"))("rollout.sh", () => {
  it("stops the old replicas one by one once the new ones are healthy", () => {
    const { calls, readFile, output, status } = run(
      "rollout",
      "release",
      { PLINTH_IMAGE: image },
      { docker: docker(0) },
    )
    assert.strictEqual(status, 0, output)
    assert.match(
      calls,
      /--no-recreate --scale server=4 server\n(?:docker (?:stop --time 30|rm) old1\n){2}(?:docker (?:stop --time 30|rm) old2\n){2}docker compose up --detach --wait --wait-timeout 120 --no-deps worker\ndocker compose up/,
    )
    assert.strictEqual(readFile(".env"), `PLINTH_IMAGE=${image}\n`)
  })

  it("removes unhealthy new replicas, and keeps the old ones", () => {
    const { calls, output, status } = run(
      "rollout",
      "release",
      { PLINTH_IMAGE: image },
      { docker: docker(1) },
    )
    assert.strictEqual(status, 1, output)
    assert.match(calls, /docker rm --force new3 new4\n$/)
    assert.notInclude(calls, "docker stop")
  })

  it("fails and prints the log when the new worker is unhealthy", () => {
    const { calls, status } = run(
      "rollout",
      "release",
      { PLINTH_IMAGE: image },
      { docker: docker(0, 1) },
    )
    assert.strictEqual(status, 1)
    assert.match(calls, /docker compose logs --tail 50 worker\n$/)
  })
})

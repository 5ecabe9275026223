// Snapshots where no images are run: what this machine has stands for them, which is written down, or they are refused.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemPath } from '../../../src/sandbox/isolation/programs/run-tool.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const instruction =
  '# Versions\n\nIt may use `uv`, `npx` and LibreOffice.\n\n```sh\npython3 --version > /app/results/python.txt\necho "$PATH" > /app/results/path.txt\n```\n'
const workflow = (more: object) => ({
  init_params: {},
  step_configs: {
    run: { activity: 'runbook', agent: 'scripted', model: 'scripted', instruction, cpus: 1, memory: '256M', ...more },
  },
  steps: ['run'],
})

/** The version of a program of this machine, not of one user of it; undefined where it has none. */
const versionHere = (tool: string): string | undefined => {
  try {
    return /\d+(\.\d+)+/.exec(execFileSync(tool, ['--version'], { encoding: 'utf8', env: { PATH: systemPath } }))?.[0]
  } catch {
    return undefined
  }
}
const described = (tool: string) => (versionHere(tool) ? `${tool} ${versionHere(tool)}` : `no ${tool}`)

it.each([
  ['python312-uv', ['python3', 'uv']],
  ['python312-uv-node', ['python3', 'uv', 'node']],
  ['python312-uv-office', ['python3', 'uv', 'soffice']],
])(
  '%s is what this machine has: versions are on the trajectory, what is missing is a warning',
  async (snapshot, tools) => {
    const run = await jetty.run(workflow({ snapshot }))
    expect(run.steps.run.outputs, JSON.stringify(run.steps.run)).toMatchObject({ success: true, snapshot, image: null })
    const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
    const said: string[] = body.events.map(({ message }: Body) => message)
    expect(said).toContain(`${snapshot} is what this machine has: ${tools.map(described).join(', ')}`)
    const missing = tools.filter((tool) => versionHere(tool) === undefined)
    const warning = `${snapshot} is what this machine has, and it has no ${missing.join(', no ')}`
    expect(said.filter((line) => line.includes('and it has no'))).toEqual(missing.length > 0 ? [warning] : [])
    const [path, python] = await Promise.all(
      run.steps.run.outputs.results_files.map((file: Body) => jetty.call('GET', `/api/v1/file/${file.path}`)),
    )
    expect(python.body).toBe(`Python ${versionHere('python3')}\n`)
    expect(path.body.trim().split(':').at(-1)).toBe('/opt/jetty') // where a Node is on every machine
  },
  60_000,
)

it('what is missing is no warning where the runbook does not use it', async () => {
  const run = await jetty.run(workflow({ instruction: '# Versions\n\n```sh\necho x > /app/results/x\n```\n' }))
  expect(run.status, JSON.stringify(run.error)).toBe('completed')
  const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
  const said: string[] = body.events.map(({ message }: Body) => message)
  expect(said.filter((line) => line.includes('and it has no uv'))).toEqual([])
})

describe('is refused before anything starts, with what to do', () => {
  const remedy =
    'Install Podman (sudo apt install podman catatonit) or Docker, and set JETTY_SANDBOX=podman or JETTY_SANDBOX=docker.'
  it.each([
    ['a snapshot that is an image', { snapshot: 'text-to-cad' }, 'The snapshot text-to-cad is an image', remedy],
    ['another one', { snapshot: 'prism-playwright' }, 'The snapshot prism-playwright is an image', remedy],
    ['an image', { image: 'debian:13' }, 'bubblewrap cannot run the image debian:13', remedy],
    ['an unknown one', { snapshot: 'python312' }, 'There is no snapshot "python312"; there are', 'Write python312-uv'],
  ])('%s', async (_what, more, problem, fix) => {
    const task = await jetty.task(workflow(more))
    const started = await jetty.call('POST', `/api/v1/run/acme/${task}?preflight=refuse`, new FormData())
    expect(started.status, JSON.stringify(started.body)).toBe(422)
    const chat = await jetty.call('POST', '/v1/chat/completions', {
      model: 'scripted',
      messages: [{ role: 'system', content: instruction }],
      jetty: { runbook: true, collection: 'acme', task: 'by-chat', agent: 'scripted', ...more },
    })
    expect(chat.status, JSON.stringify(chat.body)).toBe(422)
    for (const { body } of [started, chat]) {
      expect(JSON.stringify(body.detail)).toContain(JSON.stringify(problem).slice(1, -1))
      expect(JSON.stringify(body.detail)).toContain(fix)
    }
    const list = await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)
    expect(list.body.trajectories).toEqual([])
    const sandboxes = join(jetty.dataDir, 'sandboxes')
    expect(existsSync(sandboxes) ? readdirSync(sandboxes) : []).toEqual([])
  })
})

// Whole runbooks on a server whose sandboxes are containers of Podman: of images and snapshots, with the agents of npm.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentsFolder } from '../agents/agents-folder.ts'
import { fiveSteps, startFiveSteps } from '../agents/five-steps.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { type OwnPodman, startPodman } from './own-podman.ts'

const keys = { OPENAI_API_KEY: 'sk-unmistakable-podman-3a77', ANTHROPIC_API_KEY: 'sk-ant-unmistakable-podman-90c1' }

let engine: OwnPodman
let model: Awaited<ReturnType<typeof startFiveSteps>>
let jetty: TestServer
beforeAll(async () => {
  engine = await startPodman()
  model = await startFiveSteps()
  jetty = await startTestServer({
    env: {
      JETTY_SANDBOX: 'podman',
      JETTY_SANDBOX_SOCKET: engine.socket,
      JETTY_SNAPSHOTS: `python312-uv=${engine.image},text-to-cad=${engine.image}`,
      JETTY_AGENTS_DIR: agentsFolder(),
      ANTHROPIC_BASE_URL: model.url,
      OPENAI_BASE_URL: `${model.url}/v1`,
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
})
afterAll(async () => {
  await jetty?.close()
  await model?.stop()
  await engine?.stop()
})

const runbook = (script: string, frontMatter = '') =>
  `---\nprimary_outputs: [report.md]\n${frontMatter}---\n# Report\n\n\`\`\`sh\n${script}\n\`\`\`\n`
const workflow = (script: string, more: object = {}, frontMatter = '') => ({
  init_params: {},
  step_configs: {
    run: {
      ...{ activity: 'runbook', agent: 'scripted', model: 'scripted', instruction: runbook(script, frontMatter) },
      ...{ cpus: 1, memory: '512M', ...more },
    },
  },
  steps: ['run'],
})
const textOf = async (path: string): Promise<string> => (await jetty.call('GET', `/api/v1/file/${path}`)).body
const eventsOf = async ({ workflow_id }: Body): Promise<Body[]> =>
  (await jetty.call('GET', `/api/v1/workflows-logs/${workflow_id}`)).body.events

/** Nothing of a run is left: no container, and no folder. */
const expectNothingLeft = async () => {
  expect((await engine.podman('ps', '--all', '--quiet')).trim()).toBe('')
  expect(await readdir(join(jetty.dataDir, 'sandboxes'))).toEqual([])
}

const report =
  'cat uploads/case.json > /app/results/report.md; git --version >> /app/results/report.md; id -un >> /app/results/report.md'

describe('a runbook', () => {
  it.each([
    ['in the image that it asks for', () => ({ image: engine.image }), null],
    ['in the image that its snapshot stands for', () => ({ snapshot: 'text-to-cad' }), 'text-to-cad'],
    ['in that of the default snapshot', () => ({}), 'python312-uv'],
  ])('is carried out %s, with its inputs', async (_what, more, snapshot) => {
    const run = await jetty.run(
      { ...workflow(report, { ...more(), files_path: 'init_params.file_paths' }) },
      {},
      {
        'case.json': '{"case":1}\n',
      },
    )
    expect(run.steps.run.outputs, JSON.stringify(run.steps.run)).toMatchObject({
      ...{ success: true, failure_reason: null, snapshot, image: engine.image, sandbox: 'podman', exit_code: 0 },
      results_files: [{ relative_path: 'report.md' }],
    })
    expect(await textOf(run.steps.run.outputs.primary_files[0])).toMatch(/^{"case":1}\ngit version .+\nagent\n$/)
    const said = (await eventsOf(run)).map(({ message }) => message)
    expect(said.join('\n')).toContain(`image ${engine.image}`)
    await expectNothingLeft()
  })

  it('says that Debian packages are not installed, which would take a network and root', async () => {
    const run = await jetty.run(workflow('echo x > results/report.md', { apt_packages: ['ffmpeg'] }))
    expect(run.steps.run.outputs.success).toBe(true)
    expect((await eventsOf(run)).map(({ message }) => message)).toContain('Debian packages are not installed: ffmpeg')
  })

  it('is checked in a second container, that has the results and nothing else', async () => {
    const verify =
      'verify: "test ! -e /app/uploads/case.json && grep -q right /app/results/report.md && ! ls /run/jetty"\n'
    const good = await jetty.run(workflow('echo right > results/report.md', {}, verify))
    expect(good.steps.run.outputs, JSON.stringify(good.steps.run)).toMatchObject({
      success: true,
      verification: { passed: true },
    })
    const bad = await jetty.run(workflow('echo wrong > results/report.md', {}, verify))
    expect(bad.steps.run.outputs).toMatchObject({ success: false, failure_reason: 'verify_failed' })
    await expectNothingLeft()
  })

  it('fails by the name of its limit, and what it has made is kept', async () => {
    const hog =
      "echo half > results/report.md; exec node -e 'const all = []; for (;;) all.push(Buffer.alloc(16777216, 1))'"
    const run = await jetty.run(workflow(hog))
    expect(run).toMatchObject({ status: 'failed', steps: { run: { outputs: { failure_reason: 'out_of_memory' } } } })
    expect(run.steps.run.outputs.results_files).toMatchObject([{ relative_path: 'report.md' }])
    const late = await jetty.run(workflow('echo half > results/report.md; sleep 600', { timeout_sec: 3 }))
    expect(late.steps.run.outputs).toMatchObject({ failure_reason: 'timed_out' })
    await expectNothingLeft()
  })

  it('is ended when it is cancelled, and its container is gone', async () => {
    const task = await jetty.task(workflow('echo up > results/report.md; sleep 600'))
    const { trajectory_id: id } = await jetty.start(task)
    await expect.poll(() => engine.podman('ps', '--quiet'), { timeout: 60_000 }).not.toBe('')
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    await jetty.until(task, id, ({ status }) => status === 'cancelled')
    await expectNothingLeft()
  })

  it('is refused where its image is nowhere, before anything starts', async () => {
    const task = await jetty.task(workflow('true', { image: 'localhost/nowhere:1' }))
    const answer = await jetty.call('POST', `/api/v1/run/acme/${task}?preflight=refuse`, new FormData())
    expect(answer.status).toBe(422)
    expect(JSON.stringify(answer.body)).toContain(
      'The image localhost/nowhere:1 is not on this machine and cannot be pulled',
    )
    await expectNothingLeft()
  })
})

describe.each([
  ['claude-code', 'claude-sonnet-4-6'],
  ['codex', 'gpt-5.5'],
])('%s in a container', (agent, name) => {
  it('carries five steps out with a model that it reaches through the gateway alone', async () => {
    const { body } = await jetty.call('POST', '/v1/chat/completions', {
      model: name,
      messages: [
        { role: 'system', content: fiveSteps.runbook },
        { role: 'user', content: 'Execute the runbook.' },
      ],
      jetty: { runbook: true, collection: 'acme', task: `five-${agent}`, agent, cpus: 2, memory: '2G' },
    })
    expect(body.jetty, JSON.stringify(body)).toMatchObject({ status: 'completed' })
    expect(body.choices[0].message.content).toContain(fiveSteps.done)
    const run = await jetty.get(`five-${agent}`, body.trajectory_id)
    const { outputs } = run.steps.run
    expect(outputs).toMatchObject({ success: true, sandbox: 'podman', image: engine.image, agent, model: name })
    const made: Record<string, string> = {}
    for (const { relative_path, path } of outputs.results_files) made[relative_path] = await file(path)
    expect(made).toEqual(fiveSteps.files)
    await expectNothingLeft()
  })
})

const file = async (path: string): Promise<string> =>
  (
    await fetch(`${jetty.url}/api/v1/file/${path}`, { headers: { authorization: `Bearer ${jetty.server.adminToken}` } })
  ).text()

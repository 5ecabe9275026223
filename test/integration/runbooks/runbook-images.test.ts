// Runbooks that ask for an image, on a server whose sandboxes are containers. Its engine speaks as Docker does; what runs
// in containers is tried with Podman, in test/wide.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type FakeDocker, startFakeDocker } from '../../fakes/docker-engine.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const usual = 'ghcr.io/acme/usual:1'

let docker: FakeDocker
let jetty: TestServer
beforeAll(async () => {
  docker = await startFakeDocker()
  docker.elsewhere.set(usual, { lines: [], ends: false })
  jetty = await startTestServer({
    env: {
      JETTY_SANDBOX: 'docker',
      JETTY_SANDBOX_SOCKET: docker.socket,
      JETTY_SNAPSHOTS: `python312-uv=${usual},our-tools=ghcr.io/acme/tools`,
      JETTY_SANDBOX_IMAGES: 'ghcr.io/acme/*',
    },
  })
})
afterAll(async () => {
  await jetty?.close()
  await docker?.stop()
})

const instruction = '# Report\n\n```sh\necho hello > /app/results/report.md\n```\n'
const preflight = async (more: object): Promise<Body> =>
  (
    await jetty.call('POST', '/api/v1/runbooks/preflight', {
      ...{ collection: 'acme', agent: 'scripted', model: 'scripted', content: instruction },
      ...more,
    })
  ).body
const checksOf = ({ checks }: Body, name: string): Body[] => checks.filter((check: Body) => check.name === name)
const workflow = (more: object) => ({
  init_params: {},
  step_configs: { run: { activity: 'runbook', agent: 'scripted', model: 'scripted', instruction, ...more } },
  steps: ['run'],
})
const saidOf = async ({ workflow_id }: Body): Promise<string> =>
  JSON.stringify((await jetty.call('GET', `/api/v1/workflows-logs/${workflow_id}`)).body.events)

it('says beforehand what an image comes to: that it is fetched first, or is nowhere', async () => {
  const found = await preflight({})
  expect(found.ready).toBe(true)
  expect(found.image).toBe(usual)
  expect(checksOf(found, 'sandbox')[0].found).toContain('Docker 27.3.1; memory cgroup v2, pids cgroup v2')
  expect(checksOf(found, 'snapshot').map(({ state }) => state)).toEqual(['ok', 'warning'])
  const missing = await preflight({ image: 'ghcr.io/acme/none' })
  expect(missing.ready).toBe(false)
  expect(checksOf(missing, 'snapshot')).toEqual([
    {
      name: 'snapshot',
      state: 'failed',
      found:
        'The image ghcr.io/acme/none is not on this machine and cannot be pulled: ' +
        'denied: ghcr.io/acme/none:latest does not exist, or needs a login',
      fix: expect.stringContaining('docker load'),
      field: 'image',
    },
  ])
})

it('asks no registry for an image that the settings do not allow: a run of it is not begun', async () => {
  const image = '10.0.0.1:5000/acme/tools'
  const refused = {
    found: `JETTY_SANDBOX_IMAGES does not allow the image ${image}: it allows ghcr.io/acme/*`,
    fix: 'Use an image that it allows, or a snapshot.',
  }
  const found = await preflight({ image })
  expect(found.ready).toBe(false)
  expect(checksOf(found, 'snapshot')).toEqual([{ name: 'snapshot', state: 'failed', ...refused, field: 'image' }])
  const headed = await preflight({ content: `---\nimage: ${image}\n---\n${instruction}` })
  expect(checksOf(headed, 'snapshot')[0]).toMatchObject(refused)
  const task = await jetty.task(workflow({ image }))
  const { status, body } = await jetty.call('POST', `/api/v1/run/acme/${task}?preflight=refuse`, new FormData())
  expect([status, body.detail]).toEqual([
    422,
    [{ loc: expect.arrayContaining(['image']), msg: `${refused.found}. ${refused.fix}`, type: 'preflight_snapshot' }],
  ])
  expect(docker.asked.filter((call) => call.includes('10.0.0.1'))).toEqual([])
})

it('tells how an image is fetched, and of one that cannot be started what the engine says', async () => {
  const lines = [
    { status: 'Pulling from acme/tools', id: 'latest' },
    { status: 'Downloading', progress: '[=>   ] 1.2MB/9.9MB', id: 'f00' },
  ]
  docker.elsewhere.set('ghcr.io/acme/tools:latest', { lines, ends: true })
  const run = await jetty.run(workflow({ snapshot: 'our-tools' }))
  expect(run).toMatchObject({
    status: 'failed',
    steps: {
      run: {
        outputs: {
          ...{ success: false, failure_reason: 'not_started', snapshot: 'our-tools' },
          ...{ image: 'ghcr.io/acme/tools', sandbox: 'docker', files: [] },
        },
      },
    },
  })
  expect(run.error).toContain('no space left on device')
  const said = await saidOf(run)
  expect(said).toContain('our-tools is the image ghcr.io/acme/tools')
  expect(said).toContain('Pulling from acme/tools')
  expect(said).toContain('This is the message of docker')
})

it('fails with what the registry says where that breaks off', async () => {
  docker.elsewhere.set('ghcr.io/acme/broken:1', { lines: [{ error: 'unexpected EOF' }], ends: true })
  const run = await jetty.run(workflow({ image: 'ghcr.io/acme/broken:1' }))
  expect(run.steps.run.outputs).toMatchObject({ failure_reason: 'not_started' })
  expect(run.error).toContain('cannot be pulled: unexpected EOF')
})

it('does not wait for an image when the run is cancelled', async () => {
  const task = await jetty.task(workflow({ image: usual }))
  const { trajectory_id: id } = await jetty.start(task)
  await expect.poll(() => docker.waiting).toBe(1)
  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  const run = await jetty.until(task, id, ({ status }) => status === 'cancelled')
  expect(run.status).toBe('cancelled')
  await expect.poll(() => docker.waiting).toBe(0)
})

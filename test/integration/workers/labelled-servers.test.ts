// Server processes with labels: one without in this process, and others beside it that are started and stopped.
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { makeSite, type Site } from '../../crash/harness/site.ts'
import { startTestServer, type TestServer } from '../../server.ts'

vi.setConfig({ testTimeout: 120_000 })

let jetty: TestServer
let site: Site

beforeAll(async () => {
  jetty = await startTestServer()
  site = makeSite(jetty.database.url)
})
afterAll(async () => {
  await site?.close()
  await jetty?.close()
})

const labelled = async () => {
  const more = { JETTY_ROLE: 'worker', JETTY_LABELS: 'gpu,eu', JETTY_DRAIN_SECONDS: '0' }
  const server = site.spawn({ JETTY_DATA_DIR: jetty.dataDir, JETTY_ADMIN_TOKEN: jetty.server.adminToken, ...more })
  await server.ready
  return server
}

const echo = { activity: 'text_echo', text: 'done' }
const onGpu = { ...echo, runs_on: ['gpu'] }

/** Executes for seconds, then waits for a person, then ends. */
const workflow = {
  step_configs: {
    rest: { activity: 'sleep', seconds: 3, runs_on: ['gpu'] },
    gate: { activity: 'wait_for_approval', message: 'May it go?' },
    last: echo,
  },
  steps: ['rest', 'gate', 'last'],
}

/** Labels of the process that has the lease of a run; undefined: nobody has it. */
const holderOf = async (id: string): Promise<string[] | undefined> => {
  const [row] = await jetty.server.database.query<{ labels: string[] }>(
    `select e.labels from runs r join leases l on l.id = r.lease join executors e on e.id = l.owner
     where r.trajectory_id = $1`,
    [id],
  )
  return row?.labels
}

it('executes a run with labels where they are, and says so while no process has them', async () => {
  const task = await jetty.task(workflow)
  const { trajectory_id: id } = await jetty.start(task)
  const waits = await jetty.until(task, id, ({ runs_on: runsOn }) => runsOn?.servers === 0)
  expect(waits).toMatchObject({ status: 'pending', runs_on: { labels: ['gpu'], servers: 0 } })

  const { body: check } = await jetty.call('POST', '/api/v1/tasks/acme/validate', { workflow })
  expect(JSON.stringify(check)).toContain('no server process has the labels gpu now')
  const { body: system } = await jetty.call('GET', '/api/v1/system')
  expect(system.checks).toContainEqual(expect.objectContaining({ name: 'labels', state: 'warning' }))
  const { trajectory: plain } = await jetty.run({ step_configs: { echo }, steps: ['echo'] })
  expect(plain.status).toBe('completed')
  expect(plain.runs_on).toBeUndefined()

  const first = await labelled()
  await jetty.until(task, id, ({ steps }) => steps.rest?.status === 'running')
  expect(await holderOf(id)).toEqual(['gpu', 'eu'])
  await first.stop() // its lease goes back to the queue of its label
  expect(await holderOf(id)).toBeUndefined()

  const second = await labelled()
  await jetty.until(task, id, ({ steps }) => steps.gate?.status === 'running')
  await second.stop()
  const path = `/api/v1/trajectory/acme/${task}/${id}/steps/gate/approval`
  expect((await jetty.call('POST', path, { decision: 'approve' })).status).toBe(200)
  await jetty.run({ step_configs: { echo }, steps: ['echo'] }) // the process without labels takes what it may

  const fan = await jetty.task({
    init_params: { items: [1, 2, 3] },
    step_configs: {
      each: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: await jetty.task({ step_configs: { echo }, steps: ['echo'] }),
        runs_on: ['eu'],
      },
    },
    steps: ['each'],
  })
  const { trajectory_id: fanId } = await jetty.start(fan)
  await labelled()
  const last = await jetty.until(task, id, ({ status }) => status === 'completed')
  expect(last.runs_on).toEqual({ labels: ['gpu'], servers: null })
  expect(await holderOf(id)).toEqual(['gpu', 'eu'])
  await jetty.until(fan, fanId, ({ status }) => status === 'completed')
  const children = await jetty.server.database.query<{ runs_on: string; labels: string[] }>(
    `select r.runs_on, e.labels from runs r join runs p on p.id = r.parent_id left join leases l on l.id = r.lease
       left join executors e on e.id = l.owner where p.trajectory_id = $1`,
    [fanId],
  )
  expect(children).toEqual(Array.from({ length: 3 }, () => ({ runs_on: 'eu', labels: ['gpu', 'eu'] })))
})

it('asks for the labels of the collection as well, and refuses what is none', async () => {
  const set = (server_labels: unknown) => jetty.call('PATCH', '/api/v1/collections/acme/settings', { server_labels })
  expect((await set(['eu', 'tpu'])).status).toBe(200)
  try {
    const task = await jetty.task({ step_configs: { echo: onGpu }, steps: ['echo'] })
    const { trajectory_id: id } = await jetty.start(task)
    const { status, runs_on: runsOn } = await jetty.get(task, id)
    expect({ status, runsOn }).toEqual({ status: 'pending', runsOn: { labels: ['eu', 'gpu', 'tpu'], servers: 0 } })
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    expect((await jetty.get(task, id)).status).toBe('cancelled')
  } finally {
    await set(null)
  }
  const { status } = await jetty.call('POST', '/api/v1/tasks/acme', {
    name: 'wrong',
    workflow: { step_configs: { echo: { ...echo, runs_on: 'gpu' } }, steps: ['echo'] },
  })
  const { body } = await jetty.call('POST', '/api/v1/tasks/acme/validate', {
    workflow: { step_configs: { echo: { ...echo, runs_on: 'gpu' } }, steps: ['echo'] },
  })
  expect(JSON.stringify(body)).toContain('runs_on must be a list of labels')
  expect([201, 400, 422]).toContain(status)
})

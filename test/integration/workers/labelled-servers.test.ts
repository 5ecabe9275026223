// Server processes with labels: one without in this process, and others beside it that are started and stopped.
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { makeSite, type Site } from '../../crash/harness/site.ts'
import { startTestServer, type TestServer } from '../../server.ts'

vi.setConfig({ testTimeout: 240_000 })

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

/** Stays in memory for as long as it can. */
const resting = {
  step_configs: { rest: { activity: 'sleep', seconds: 59, runs_on: ['gpu'] }, last: echo },
  steps: ['rest', 'last'],
}
/** Leaves memory until a person decides. */
const waiting = {
  step_configs: { gate: { activity: 'wait_for_approval', message: 'May it go?', runs_on: ['gpu'] }, last: echo },
  steps: ['gate', 'last'],
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
  const [task, waits] = [await jetty.task(resting), await jetty.task(waiting)]
  const [{ trajectory_id: id }, { trajectory_id: waitsId }] = [await jetty.start(task), await jetty.start(waits)]
  const idle = await jetty.get(task, id)
  expect(idle).toMatchObject({ status: 'pending', runs_on: { labels: ['gpu'], servers: 0 } })
  const { body: check } = await jetty.call('POST', '/api/v1/tasks/acme/validate', { workflow: resting })
  expect(JSON.stringify(check)).toContain('no server process has the labels gpu now')
  const { body: system } = await jetty.call('GET', '/api/v1/system')
  expect(system.checks).toContainEqual(expect.objectContaining({ name: 'labels', state: 'warning' }))
  const { trajectory: plain } = await jetty.run({ step_configs: { echo }, steps: ['echo'] })
  expect(plain.status).toBe('completed')
  expect(plain.runs_on).toBeUndefined()

  const first = await labelled()
  await jetty.until(waits, waitsId, ({ waiting: steps }) => steps !== null)
  await jetty.until(task, id, ({ steps }) => steps.rest?.status === 'running')
  expect(await holderOf(id)).toEqual(['gpu', 'eu'])
  await first.stop() // its leases go back to the queue of their label, and so does a run that is woken
  const path = `/api/v1/trajectory/acme/${waits}/${waitsId}/steps/gate/approval`
  expect((await jetty.call('POST', path, { decision: 'approve' })).status).toBe(200)
  await jetty.run({ step_configs: { echo }, steps: ['echo'] }) // the process without labels takes what it may
  expect([await holderOf(id), await holderOf(waitsId)]).toEqual([undefined, undefined])

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
  await expect.poll(() => holderOf(id), { timeout: 50_000 }).toEqual(['gpu', 'eu'])
  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  for (const [of, one] of [[waits, waitsId] as const, [fan, fanId] as const]) {
    const last = await jetty.until(of, one, ({ ended }) => ended !== null)
    expect(last).toMatchObject({ status: 'completed', runs_on: { servers: null } })
  }
  const children = await jetty.server.database.query<{ runs_on: string }>(
    'select r.runs_on from runs r join runs p on p.id = r.parent_id where p.trajectory_id = $1',
    [fanId],
  )
  expect(children).toEqual(Array.from({ length: 3 }, () => ({ runs_on: 'eu' })))
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

// A run of an older version of a task, found by its index, its hash, or a tag that may move.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { makeBatching } from '../fan-out/batching.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const saying = (text: string) => ({
  init_params: { name: text },
  step_configs: { say: { activity: 'text_template', template: `${text} {{ init_params.name }}` } },
  steps: ['say'],
})

/** Makes a task with three versions, which say one, two and three. */
const taskOfThree = async (): Promise<string> => {
  const task = await jetty.task(saying('one'))
  for (const text of ['two', 'three']) {
    const { status } = await jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: saying(text) })
    expect(status).toBe(200)
  }
  return task
}
const tag = (task: string, name: string, version: string) =>
  jetty.call('PUT', `/api/v1/tasks/acme/${task}/tags/${name}`, { version })
const ended = async (task: string, version?: string): Promise<Body> => {
  const { trajectory_id } = await jetty.start(task, version === undefined ? {} : { version })
  return jetty.until(task, trajectory_id, (run) => run.ended !== null)
}
const said = (run: Body) => run.steps.say.outputs.text

test('the version is found by index, from the end, by hash and by tag, and the run tells which it was', async () => {
  const task = await taskOfThree()
  expect((await tag(task, 'production', '1')).body).toMatchObject({ tag: 'production', version: 1 })
  const { body: history } = await jetty.call('GET', `/api/v1/tasks/acme/${task}/history`)
  expect(history.versions.map(({ tags }: Body) => tags)).toEqual([[], ['production'], []])
  const refs = { '0': 'one', '~0': 'one', '~-1': 'three', production: 'two', [history.versions[2].content_hash]: 'one' }
  for (const [ref, text] of Object.entries(refs)) {
    const run = await ended(task, ref)
    expect([ref, said(run)]).toEqual([ref, `${text} ${text}`])
    expect(run.attributes.params.version).toEqual({ ref, index: ['one', 'two', 'three'].indexOf(text) })
  }
  const newest = await ended(task)
  expect([said(newest), newest.attributes.params?.version]).toEqual(['three three', undefined])

  const { body: page } = await jetty.call('GET', `/api/v1/runs/acme?task=${task}&version=1`)
  expect(page.runs).toHaveLength(1)
  expect(page.runs[0].task_version).toBe((await ended(task, '1')).task_version)
})

test('a tag moves to another version: later runs follow it, and the audit trail has both versions', async () => {
  const task = await taskOfThree()
  await tag(task, 'production', '~0')
  const before = await ended(task, 'production')
  await tag(task, 'production', '~-1')
  const after = await ended(task, 'production')
  expect([said(before), said(after)]).toEqual(['one one', 'three three'])
  expect(before.attributes.params.version).toEqual({ ref: 'production', index: 0 })
  const { body: trail } = await jetty.call('GET', '/api/v1/audit?operation=setTaskTag&limit=1')
  expect(JSON.stringify(trail)).toContain('"changes":{"version":2,"before":0}')

  const gone = await jetty.call('DELETE', `/api/v1/tasks/acme/${task}/tags/production`)
  expect(gone.status).toBe(200)
  const refused = await jetty.call('POST', `/api/v1/run/acme/${task}`, { init_params: {}, version: 'production' })
  expect([refused.status, refused.body.detail]).toEqual([404, "Version tag 'production' not found"])
})

test('a run once more, at another version', async () => {
  const task = await taskOfThree()
  await tag(task, 'old', '~0')
  const first = await ended(task)
  const again = async (body: Body) => {
    const path = `/api/v1/trajectory/acme/${task}/${first.trajectory_id}/rerun`
    const { body: started } = await jetty.call('POST', path, body)
    return jetty.until(task, started.trajectory_id, (run) => run.ended !== null)
  }
  const run = await again({ version: 'old' })
  expect(said(run)).toBe('one three') // with the parameters of the recorded run
  expect(run.attributes.params.rerun.version).toBe('old')
  expect(said(await again({ version: '1', mode: 'replay' }))).toBe('two three')
})

test.each([
  ['9', 404, 'Version index 9 out of range (0-2)'],
  ['~x', 400, 'Invalid version index: ~x'],
  ['nope', 404, "Version tag 'nope' not found"],
])('no run starts at %s', async (version, status, detail) => {
  const task = await taskOfThree()
  const answer = await jetty.call('POST', `/api/v1/run/acme/${task}`, { init_params: {}, version })
  expect([answer.status, answer.body.detail]).toEqual([status, detail])
  expect((await jetty.call('GET', `/api/v1/runs/acme?task=${task}`)).body.runs).toEqual([])
})

test.each(['7', 'ab'.repeat(32), '-x', 'a b'])('no tag is named %s', async (name) => {
  const task = await jetty.task(saying('one'))
  const answer = await tag(task, encodeURIComponent(name), '~0')
  expect([answer.status, answer.body.detail]).toEqual([400, expect.stringContaining('A tag starts with a letter')])
})

const sayingTo = (name: string) => Array.from({ length: 4 }, (_, at) => ({ name: `${name}${at}` }))
const results = async (batchId: string): Promise<Body[]> =>
  (await jetty.call('GET', `/api/v1/batches/acme/${batchId}/results`)).body.results

test('a batch runs one version, found once: neither a moved tag nor an edit reaches its runs', async () => {
  const { post, ended: batchEnded } = makeBatching(jetty)
  const slow = (text: string) => ({
    init_params: { name: '' },
    step_configs: {
      wait: { activity: 'sleep', seconds: 0.2 },
      say: { activity: 'text_template', template: `${text} {{ init_params.name }}` },
    },
    steps: ['wait', 'say'],
  })
  const task = await jetty.task(slow('one'))
  await jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: slow('two') })
  await tag(task, 'production', '0')
  const { body: batch } = await post(task, { items: sayingTo('a'), version: 'production', max_concurrency: 1 })
  const { body: other } = await post(task, { items: sayingTo('b'), max_concurrency: 1 })
  expect([batch.version, other.version]).toEqual([
    { ref: 'production', index: 0 },
    { ref: '~-1', index: 1 },
  ])
  await tag(task, 'production', '1')
  await jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: slow('three') })

  for (const [{ batch_id: id, version }, text] of [
    [batch, 'one'],
    [other, 'two'],
  ] as const) {
    expect(await batchEnded(id)).toMatchObject({ version, task })
    const rows = await results(id)
    expect(rows.map(({ outputs }) => outputs.text)).toEqual(rows.map((row) => `${text} ${row.init_params.name}`))
    const { body: run } = await jetty.call('GET', `/api/v1/db/trajectory/acme/${task}/${rows[0]?.trajectory_id}`)
    expect(run.attributes.params.version).toEqual({ ref: `~${version.index}`, index: version.index })
  }
  const { body: list } = await jetty.call('GET', `/api/v1/batches/acme?task=${task}`)
  expect(list.batches.map((one: Body) => one.version)).toEqual([other.version, batch.version])

  const unknown = await post(task, { items: sayingTo('c'), version: 'nope' })
  expect([unknown.status, unknown.body.detail]).toEqual([404, "Version tag 'nope' not found"])
})

const calling = (step: Record<string, unknown>) => ({
  init_params: { items: [{ name: 'x' }, { name: 'y' }], name: 'x' },
  step_configs: { call: step },
  steps: ['call'],
})
const each = { activity: 'list_emit_await', items_path: 'init_params.items', spread_items: true }

test.each([
  ['a name with a version', (task: string) => ({ ...each, child_workflow_name: `${task}@stable` })],
  ['the older form', (task: string) => ({ ...each, task_reference: { task_name: task, version: 'stable' } })],
  [
    'a single run',
    (task: string) => ({ activity: 'run_workflow', workflow_name: `acme/${task}@stable`, init_params: { name: 'x' } }),
  ],
])('a step starts its runs at a tag, by %s', async (_, step) => {
  const task = await taskOfThree()
  await tag(task, 'stable', '1')
  const caller = await jetty.task(calling(step(task)))
  const run = await ended(caller)
  expect(run.status).toBe('completed')
  const { body: page } = await jetty.call('GET', `/api/v1/runs/acme?parent_id=${run.trajectory_id}`)
  expect(page.runs.length).toBeGreaterThan(0)
  for (const { trajectory_id: id, params } of page.runs) {
    expect(params.version).toEqual({ ref: 'stable', index: 1 })
    const { body: child } = await jetty.call('GET', `/api/v1/db/trajectory/acme/${task}/${id}`)
    expect(said(child)).toMatch(/^two /)
  }
  const { body: found } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
  expect(JSON.stringify(found)).toContain(`Runs of ${task} execute version 1 (stable)`)
})

test('a step that names a version which is not there fails, and says which', async () => {
  const task = await taskOfThree()
  const run = await ended(await jetty.task(calling({ ...each, child_workflow_name: `${task}@nope` })))
  expect([run.status, run.error]).toEqual([
    'failed',
    expect.stringContaining(`Task '${task}': Version tag 'nope' not found`),
  ])
})

test('a list of runs has those of the version that a tag means now, also of a tag that the task was saved with', async () => {
  const task = await taskOfThree()
  await jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: saying('four'), version: 'v4' })
  await tag(task, 'production', '1')
  const ids: string[] = []
  for (const version of ['0', '1', '2', '3']) ids.push((await ended(task, version)).trajectory_id)
  const listed = async (version: string) => {
    const { status, body } = await jetty.call('GET', `/api/v1/runs/acme?task=${task}&version=${version}`)
    return status === 200 ? body.runs.map((run: Body) => ids.indexOf(run.trajectory_id)) : [status, body.detail[0].msg]
  }
  expect([await listed('production'), await listed('v4'), await listed('~2'), await listed('3')]).toEqual([
    [1],
    [3],
    [2],
    [3],
  ])
  await tag(task, 'production', '0')
  expect([await listed('production'), await listed('nope')]).toEqual([[0], []])
  expect(await listed('-x')).toEqual([422, expect.stringContaining('Expected the index of a version')])
})

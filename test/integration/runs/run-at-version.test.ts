// A run of an older version of a task, found by its index, its hash, or a tag that may move.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

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

// `author` is what a sender wrote; `recorded_by` is who the server knows that sender to be.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let ann: { id: number; token: string; as: string }
let bob: typeof ann

beforeAll(async () => {
  jetty = await startTestServer()
  const makeKey = async (name: string) => {
    const { body } = await jetty.call('POST', '/api/v1/api-keys', { name, collection_name: 'acme' })
    return { id: body.id, token: body.api_key, as: `api-key:${name} (key ${body.id})` }
  }
  ann = await makeKey('ann')
  bob = await makeKey('bob')
})
afterAll(() => jetty?.close())

const say = { step_configs: { say: { activity: 'text_echo', text: 'said' } }, steps: ['say'] }
const place = async (): Promise<{ task: string; id: string; path: string }> => {
  const run = await jetty.run(say)
  const id = run.trajectory_id
  return { task: run.task, id, path: `/api/v1/trajectory/acme/${run.task}/${id}` }
}
const label = (path: string, token: string, value = 'good'): Promise<Body> =>
  jetty.call('POST', `${path}/labels`, { key: 'quality', value, author: 'the-auditor' }, token)
const ingest = (body: object, token: string): Promise<Body> =>
  jetty.call('POST', '/api/v1/trajectories/acme/evals/ingest', { author: 'the-auditor', ...body }, token)
const trail = async (operation: string): Promise<Body[]> =>
  (await jetty.call('GET', '/api/v1/collections/acme/audit')).body.entries.filter(
    (entry: Body) => entry.operation === operation,
  )

describe('a label', () => {
  test('says who set it wherever it is shown, whatever author was sent', async () => {
    const { task, id, path } = await place()
    const shown = { key: 'quality', author: 'the-auditor', recorded_by: ann.as }
    const set = await label(path, ann.token)
    expect([set.body.label, set.body.labels]).toMatchObject([shown, [shown]])
    const lists = [
      `${path}/labels`,
      `/api/v1/db/trajectory/acme/${task}/${id}`,
      `/api/v1/db/trajectories/acme/${task}`,
      '/api/v1/runs/acme?label=quality:good',
    ]
    for (const list of lists) {
      const { body } = await jetty.call('GET', list)
      const { labels } = body.trajectories?.[0] ?? body.runs?.[0] ?? body
      expect([list, labels]).toMatchObject([list, [shown]])
    }
    const csv = await jetty.call('GET', `/api/v1/runs/acme?format=csv&task=${task}`)
    expect(csv.body).toContain(ann.as)
    const events = await fetch(`${jetty.url}${path}/events`, { headers: { authorization: `Bearer ${ann.token}` } })
    expect(await events.text()).toMatch(new RegExp(`"recorded_by" ?: ?"api-key:ann \\(key ${ann.id}\\)"`))
  })

  test('of the admin, and of a step, says so too', async () => {
    const { id, path } = await place()
    const { body } = await jetty.call('POST', `${path}/labels`, { key: 'a', value: '1', author: 'ann' })
    expect(body.label.recorded_by).toBe('admin')
    const marked = await jetty.run({
      init_params: {},
      step_configs: { mark: { activity: 'label_run', trajectory_id: id, key: 'b', value: '2', author: 'ann' } },
      steps: ['mark'],
    })
    const { labels } = (await jetty.call('GET', `${path}/labels`)).body
    expect(labels[1]).toMatchObject({ key: 'b', author: 'ann', recorded_by: `run:${marked.trajectory_id}` })
  })

  test('that replaces one of somebody else is in the audit trail; one that replaces its own is not', async () => {
    const { task, id, path } = await place()
    await label(path, ann.token)
    await label(path, ann.token, 'better')
    expect(await trail('addLabel')).toEqual([])
    const forged = await label(path, bob.token, 'bad')
    expect(forged.body.labels).toMatchObject([{ value: 'bad', author: 'the-auditor', recorded_by: bob.as }])
    expect(await trail('addLabel')).toMatchObject([
      {
        outcome: 'done',
        target: `acme/${task}/${id}/quality`,
        actor: { key_id: bob.id },
        changes: { key: 'quality', author: 'the-auditor', recorded_by: ann.as },
      },
    ])
  })
})

describe('an ingested run', () => {
  test('says who sent it, in its document, in lists and on its labels', async () => {
    const { body } = await ingest({ trajectory_id: 'eval:1', output: 1, labels: { set: 'a' } }, ann.token)
    expect(body.labels).toMatchObject([{ author: 'the-auditor', recorded_by: ann.as }])
    const shown = { author: 'the-auditor', recorded_by: ann.as }
    const document = (await jetty.call('GET', '/api/v1/db/trajectory/acme/evals/eval:1')).body
    expect(document).toMatchObject({ ...shown, steps: { eval: shown } })
    expect((await jetty.call('GET', '/api/v1/runs/acme?task=evals')).body.runs).toMatchObject([shown])
    expect((await jetty.call('GET', '/api/v1/db/trajectories/acme/evals')).body.trajectories).toMatchObject([shown])
  })

  test('that somebody else overwrites is his from then on, and the audit trail says so', async () => {
    await ingest({ trajectory_id: 'eval:2', output: 1 }, ann.token)
    await ingest({ trajectory_id: 'eval:2', output: 2 }, ann.token)
    expect(await trail('ingestTrajectory')).toEqual([])
    await ingest({ trajectory_id: 'eval:2', output: 3 }, bob.token)
    const document = (await jetty.call('GET', '/api/v1/db/trajectory/acme/evals/eval:2')).body
    expect(document).toMatchObject({ author: 'the-auditor', recorded_by: bob.as })
    expect(await trail('ingestTrajectory')).toMatchObject([
      { target: 'acme/evals/eval:2', actor: { key_id: bob.id }, changes: { recorded_by: ann.as } },
    ])
  })
})

test('a run that was started here is recorded by its author, which nobody can send', async () => {
  const { body } = await jetty.call('POST', '/api/v1/tasks/acme', { name: 'here', workflow: say }, ann.token)
  expect(body.name).toBe('here')
  const run = await jetty.call(
    'POST',
    '/api/v1/run-sync/acme/here',
    { init_params: {}, author: 'the-auditor' },
    ann.token,
  )
  expect(run.body).toMatchObject({ author: 'api-key:ann', recorded_by: 'api-key:ann' })
})

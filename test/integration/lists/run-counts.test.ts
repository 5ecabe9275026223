import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const echo = { activity: 'text_echo', text: 'x' }
const counts = async (search = ''): Promise<Body> => (await jetty.call('GET', `/api/v1/runs/acme/counts${search}`)).body

test('counts runs by status, and what stands beside them in the tabs of a task', async () => {
  await jetty.run({ step_configs: { a: echo }, steps: ['a'] })
  const gate = await jetty.task({
    step_configs: { a: { activity: 'wait_for_approval', message: 'On?' }, b: echo },
    steps: ['a', 'b'],
  })
  await jetty.call('PUT', `/api/v1/tasks/acme/${gate}`, { description: 'changed' })
  const { trajectory_id: id } = await jetty.start(gate)
  await jetty.until(gate, id, (run) => run.waiting !== null)
  expect(await counts()).toEqual({
    total: 2,
    by_status: { pending: 0, running: 1, completed: 1, failed: 0, cancelled: 0, archived: 0 },
    approvals: 1,
    tasks: 2,
    routines: 0,
    versions: 3,
  })
  expect(await counts(`?task=${gate}`)).toMatchObject({ total: 1, approvals: 1, tasks: 1, versions: 2 })
  expect((await jetty.call('GET', '/api/v1/runs/acme/counts?task=nowhere')).status).toBe(404)

  const { body } = await jetty.call('GET', `/api/v1/runs/acme?task=${gate}`)
  expect(body.runs[0]).toMatchObject({ waiting_for: 'approval', steps: { done: 0, total: 2 }, version_number: 1 })
})

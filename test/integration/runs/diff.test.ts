import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_DIFF_BYTES: '20000' } })
})
afterAll(() => jetty?.close())

const say = (text_path = 'init_params.text') => ({ activity: 'text_echo', text_path })
const workflow = (more: Record<string, unknown> = {}, steps = ['first', 'second']) => ({
  step_configs: { first: say(), second: say('first.outputs.text'), ...more },
  steps,
})

const run = async (task: string, init_params: object): Promise<Body> => {
  const answer = await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, { init_params })
  return answer.body
}

const diff = (left: Body, right: string, token?: string) =>
  jetty.call(
    'GET',
    `/api/v1/trajectory/${left.name}/${left.trajectory_id}/diff?with=${encodeURIComponent(right)}`,
    undefined,
    token,
  )

it('of a run with itself, and with one that did the same, is empty', async () => {
  const task = await jetty.task(workflow())
  const [left, right] = [await run(task, { text: 'same' }), await run(task, { text: 'same' })]
  for (const other of [left, right]) {
    const { status, body } = await diff(left, other.trajectory_id)
    expect(status).toBe(200)
    expect(body).toMatchObject({ same: true, total_steps: 2, different_steps: 0 })
    expect(body.left.trajectory_id).toBe(left.trajectory_id)
    expect(body.right.trajectory_id).toBe(other.trajectory_id)
    expect(body.steps.map((step: Body) => [step.step, step.in, step.same])).toEqual([
      ['first', 'both', true],
      ['second', 'both', true],
    ])
  }
})

it('shows init_params, inputs and outputs with the paths that differ', async () => {
  const task = await jetty.task(workflow())
  const [left, right] = [await run(task, { text: 'one', keep: 1 }), await run(task, { text: 'two', keep: 1 })]
  const { body } = await diff(left, right.trajectory_id)
  expect(body.same).toBe(false)
  expect(body.run.init_params).toEqual({
    left: { text: 'one', keep: 1 },
    right: { text: 'two', keep: 1 },
    paths: ['text'],
    more_paths: false,
    clipped: false,
  })
  expect(body.run.definition).toBeUndefined()
  expect(body.steps[0]).toMatchObject({
    step: 'first',
    in: 'both',
    same: false,
    inputs: { left: { text: 'one' }, right: { text: 'two' }, paths: ['text'] },
    outputs: { left: { text: 'one' }, right: { text: 'two' } },
  })
  expect(body.steps[0].config).toBeUndefined()
})

it('shows statuses, errors, configs, and steps that only one has', async () => {
  const [before, after] = [
    await jetty.task(workflow({ third: say() }, ['first', 'second', 'third'])),
    await jetty.task(workflow({ second: say('first.outputs.nothing'), fourth: say() }, ['first', 'second', 'fourth'])),
  ]
  const [left, right] = [await run(before, { text: 'x' }), await run(after, { text: 'x' })]
  const { status, body } = await diff(left, `${after}/${right.trajectory_id}`)
  expect(status).toBe(200)
  expect(body.run).toMatchObject({
    status: { left: 'completed', right: 'failed' },
    error: { left: null, right: expect.stringContaining("Step 'second' failed") },
    definition: { left: expect.any(String), right: expect.any(String) },
  })
  expect(body.right.task).toBe(after)
  const [first, second, third, ...rest] = body.steps
  expect(first).toMatchObject({ step: 'first', same: true })
  expect(second).toMatchObject({
    step: 'second',
    status: { left: 'completed', right: 'failed' },
    error: { left: null, right: expect.stringContaining('nothing') },
    config: { paths: ['text_path'] },
  })
  expect(third).toEqual({ step: 'third', in: 'left', same: false })
  expect(rest).toEqual([]) // the other run failed before its fourth step
  expect(body).toMatchObject({ same: false, total_steps: 3, different_steps: 2 })
})

it('shows the beginnings of what is too large', async () => {
  const task = await jetty.task(workflow())
  const long = 'long '.repeat(50_000)
  const [left, right] = [await run(task, { text: `${long}a` }), await run(task, { text: `${long}b` })]
  const { body } = await diff(left, right.trajectory_id)
  expect(JSON.stringify(body).length).toBeLessThan(20_000)
  const { outputs } = body.steps[0]
  expect(outputs).toMatchObject({ clipped: true, paths: [], more_paths: true })
  expect(outputs.left).toMatch(/^\{"text":"long long/)
  expect(outputs.left.length).toBeLessThan(600)
  expect(body.run.init_params.clipped).toBe(true)
})

it('finds runs of its own collection alone', async () => {
  const task = await jetty.task(workflow())
  const left = await run(task, { text: 'x' })
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  await jetty.call('POST', '/api/v1/tasks/other', { name: 'foreign', workflow: workflow() })
  const foreign = (await jetty.call('POST', '/api/v1/run-sync/other/foreign', { init_params: { text: 'x' } })).body
  for (const id of [
    foreign.trajectory_id,
    `foreign/${foreign.trajectory_id}`,
    `other/foreign/${foreign.trajectory_id}`,
  ]) {
    expect(await diff(left, id)).toMatchObject({ status: 404, body: { detail: `Trajectory '${id}' not found` } })
  }
  expect((await jetty.call('GET', `/api/v1/trajectory/acme/${task}/${left.trajectory_id}/diff`)).status).toBe(422)
})

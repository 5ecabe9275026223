// One step of a workflow that is being written is executed, with pinned outputs in the place of what comes before.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const post = (body: object) => jetty.call('POST', '/api/v1/try/acme', body)
/** Tries a step and returns its run once it has ended. */
const attempt = async (body: object): Promise<Body> => {
  const answer = await post(body)
  expect([answer.status, answer.body.detail]).toEqual([200, undefined])
  return jetty.until('_try', answer.body.trajectory_id, ({ ended }) => ended !== null)
}
const echo = (text: string) => ({ activity: 'text_echo', text })
const echoOf = (text_path: string) => ({ activity: 'text_echo', text_path })

const chain = {
  init_params: { name: 'moon' },
  step_configs: {
    first: { activity: 'text_echo', text: 'hello {{init_params.name}}' },
    aside: { activity: 'no_such_activity' },
    second: echoOf('first.outputs.text'),
    third: echoOf('second.outputs.text'),
    last: echoOf('third.outputs.text'),
  },
  steps: ['first', 'aside', 'second', 'third', 'last'],
}

it('a step is executed with what it depends on, and with nothing else', async () => {
  const run = await attempt({ workflow: chain, step: 'third', init_params: { name: 'sun' } })
  expect(run).toMatchObject({ status: 'completed', name: 'acme/_try', author: 'admin' })
  expect(Object.keys(run.steps)).toEqual(['first', 'second', 'third'])
  expect(run.steps.third.outputs).toEqual({ text: 'hello sun' })
  expect(run.attributes.params.try).toEqual({ step: 'third', pinned: [] })
})

it('pinned steps are not executed, nor what only they depend on', async () => {
  const outputs = { second: { text: { kept: ['as', '{{init_params.name}}'] } } }
  const run = await attempt({ workflow: chain, step: 'third', outputs })
  expect(Object.keys(run.steps)).toEqual(['second', 'third'])
  expect(run.steps.second.config.activity).toBe('pinned_outputs')
  expect(run.steps.third.outputs).toEqual(outputs.second)
})

it('a branch decides among the steps before, never about the step that is tried', async () => {
  const workflow = {
    step_configs: {
      ask: { activity: 'conditional_branch', condition: true, true_step: 'yes', false_step: 'no' },
      yes: echo('yes'),
      no: { ...echo('no'), depends_on: ['ask'] },
      after: { activity: 'text_concatenate', texts_path: ['yes.outputs.text'] },
    },
    steps: ['ask', 'after'],
  }
  const tried = await attempt({ workflow, step: 'no' })
  expect([Object.keys(tried.steps), tried.steps.no.outputs]).toEqual([['ask', 'no'], { text: 'no' }])
  expect((await attempt({ workflow, step: 'after' })).steps.after.outputs).toEqual({ text: 'yes' })
})

it('a step of a loop is executed once, its counter with the whole loop', async () => {
  const workflow = {
    step_configs: {
      draft: { activity: 'text_echo', text: 'first', text_path: 'review.outputs.text' },
      review: echoOf('draft.outputs.text'),
      again: { activity: 'loop_counter', steps: ['draft', 'review'], max_turns: 2 },
    },
    steps: ['draft', 'review', 'again'],
  }
  const whole = await attempt({ workflow, step: 'again' })
  expect(Object.keys(whole.steps)).toContain('review__2')
  const refused = await post({ workflow, step: 'draft' })
  expect([refused.status, JSON.stringify(refused.body.detail)]).toEqual([422, expect.stringContaining('runs later')])
  expect(refused.body.hint).toContain('pin the outputs')
  const pinned = await attempt({ workflow, step: 'draft', outputs: { review: { text: 'reviewed' } } })
  expect(pinned.steps.draft.outputs).toEqual({ text: 'reviewed' })
})

it.each([
  ['an unknown step', { step: 'fourth' }, "no step 'fourth'"],
  ['an unknown pinned step', { step: 'first', outputs: { fourth: {} } }, "for 'fourth', which is no step"],
  ['a broken step', { step: 'aside' }, "no step 'aside'"],
])('%s is refused by name', async (_, wanted, said) => {
  const { status, body } = await post({ workflow: chain, ...wanted })
  expect([status, JSON.stringify(body.detail)]).toEqual([422, expect.stringContaining(said)])
})

it('a tried step that waits can be cancelled, and a reader cannot try one', async () => {
  const workflow = { step_configs: { ask: { activity: 'wait_for_approval', message: 'Go on?' } }, steps: ['ask'] }
  const { body } = await post({ workflow, step: 'ask' })
  await jetty.until('_try', body.trajectory_id, ({ steps }) => steps.ask?.status === 'running')
  await jetty.call('POST', '/api/v1/trajectory/acme/_try/statuses', { [body.trajectory_id]: 'cancelled' })
  expect(await jetty.until('_try', body.trajectory_id, ({ ended }) => ended !== null)).toMatchObject({
    status: 'cancelled',
  })
  const key = await jetty.call('POST', '/api/v1/api-keys', { name: 'r', collection_name: 'acme', access_level: 'READ' })
  const asked = await jetty.call('POST', '/api/v1/try/acme', { workflow, step: 'ask' }, key.body.api_key)
  expect(asked.status).toBe(403)
})

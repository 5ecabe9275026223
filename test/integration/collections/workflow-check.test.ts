import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const check = async (workflow: unknown, more: object = {}): Promise<Body> => {
  const { status, body } = await jetty.call('POST', '/api/v1/workflows/check', {
    collection: 'acme',
    workflow,
    ...more,
  })
  expect(status).toBe(200)
  return body
}

/** Follows a JSON Pointer, as an editor does. */
const at = (document: Body, pointer: string): Body =>
  pointer
    .split('/')
    .slice(1)
    .reduce((from, name) => from?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], document)

const echo = { activity: 'text_echo', text: 'x' }

it.each([
  ['a misspelt activity', { step_configs: { a: { ...echo, activity: 'text_ehco' } }, steps: ['a'] }, 'text_ehco'],
  ['a listed step without config', { step_configs: { a: echo }, steps: ['a', 'b'] }, 'b'],
  ['a step listed twice', { step_configs: { a: echo }, steps: ['a', 'a'] }, 'a'],
  [
    'a misspelt output',
    { step_configs: { a: echo, b: { activity: 'text_echo', text_path: 'a.outputs.txet' } }, steps: ['a', 'b'] },
    'a.outputs.txet',
  ],
  [
    'a path in a list',
    {
      step_configs: { a: { activity: 'text_concatenate', texts_path: ['init_params.x', 'c.outputs.text'] } },
      steps: ['a'],
    },
    'c.outputs.text',
  ],
  ['an option', { step_configs: { a: { ...echo, options: { retry: { max_attempts: 'two' } } } }, steps: ['a'] }, 'two'],
  ['a dependency', { step_configs: { a: echo, b: { ...echo, depends_on: ['a', 'z'] } }, steps: ['a', 'b'] }, 'z'],
  ['an awkward name', { step_configs: { a: { ...echo, 'x/y~z.w': 1 } }, steps: ['a'] }, 1],
])('%s is pointed at', async (_, workflow, faulty) => {
  const { problems } = await check(workflow)
  expect(problems.map(({ pointer }: Body) => at(workflow, pointer))).toContainEqual(faulty)
})

it('the same faults are found as validate finds, each with what to do', async () => {
  const workflow = { step_configs: { a: { activity: 'text_echo' }, b: echo }, steps: ['a'], step: [] }
  const { valid, problems } = await check(workflow)
  const validated = await jetty.call('POST', '/api/v1/tasks/acme/validate', { workflow })
  expect({ valid, faults: problems }).toEqual(validated.body)
  expect(problems).toMatchObject([
    { severity: 'error', pointer: '/step', did_you_mean: 'steps' },
    { severity: 'warning', pointer: '/step_configs/b', hint: 'List it in steps, or delete its config.' },
    {
      severity: 'error',
      pointer: '/step_configs/a',
      hint: 'Set text, or text_path to a path such as init_params.text.',
    },
  ])
})

it('a document that is no workflow yet has problems, not an error', async () => {
  for (const [workflow, pointer] of [
    ['text', ''],
    [null, ''],
    [{ steps: 'a' }, '/steps'],
    [{ steps: [1] }, '/steps/0'],
    [{ steps: [], init_params: [] }, '/init_params'],
  ] as const) {
    const { valid, problems, steps } = await check(workflow)
    expect([workflow, valid, problems[0].pointer, steps]).toEqual([workflow, false, pointer, []])
  }
})

it('branches, loops and steps that cannot execute are in the graph', async () => {
  const workflow = {
    step_configs: {
      first: echo,
      ask: {
        activity: 'conditional_branch',
        condition_path: 'first.outputs.text',
        true_step: ['yes', 'thereupon'],
        false_step: 'no',
      },
      yes: echo,
      thereupon: echo,
      no: echo,
      again: { activity: 'loop_counter', steps: ['first', 'ask'], max_turns: 2 },
      broken: { activity: 'nothing' },
    },
    steps: ['first', 'ask', 'again', 'broken'],
  }
  const { steps, steps_total } = await check(workflow)
  expect(steps_total).toBe(7)
  const byName = Object.fromEntries(steps.map((step: Body) => [step.name, step]))
  expect(byName.ask).toMatchObject({ depends_on: ['first'], is_listed: true })
  expect(byName.ask.branch).toEqual({ true: 'yes', false: 'no', true_steps: ['yes', 'thereupon'], false_steps: ['no'] })
  expect(byName.yes).toMatchObject({ decided_by: ['ask'], is_listed: false })
  expect(byName.first.loop).toEqual({ first: 'first', counter: 'again' })
  expect(byName.broken).toMatchObject({ activity: 'nothing', depends_on: [] })
})

it('every parameter says where its value comes from', async () => {
  const workflow = {
    execution: 'parallel',
    step_configs: {
      a: echo,
      b: {
        activity: 'text_template',
        template: '{{a.outputs.text}} and {{init_params.name}}',
        variables: { one: 1 },
      },
      c: { activity: 'text_echo', text_path: 'b.outputs.text', text: 'otherwise' },
      d: { activity: 'text_echo', text_path: 'env.SECRET' },
    },
    steps: ['a', 'b', 'c', 'd'],
  }
  const { bindings, steps, execution } = await check(workflow)
  expect(execution).toBe('parallel')
  expect(bindings.a.text).toEqual([{ kind: 'literal', text: 'x', step: null }])
  expect(bindings.b.template).toEqual([
    { kind: 'template', text: '{{a.outputs.text}} and {{init_params.name}}', step: null },
    { kind: 'step', text: 'a.outputs.text', step: 'a' },
    { kind: 'init_params', text: 'init_params.name', step: null },
  ])
  expect(bindings.c.text).toEqual([
    { kind: 'step', text: 'b.outputs.text', step: 'b' },
    { kind: 'literal', text: 'otherwise', step: null },
  ])
  expect(bindings.d.text[0]).toEqual({ kind: 'env', text: 'env.SECRET', step: null })
  expect(steps.find((step: Body) => step.name === 'c').after).toEqual(['b'])
})

it('the answer is bounded, whatever is sent', async () => {
  const names = Array.from({ length: 3_000 }, (_, at) => `s${at}`)
  const text = 'long '.repeat(100)
  const workflow = { step_configs: Object.fromEntries(names.map((name) => [name, { ...echo, text }])), steps: names }
  const { steps, steps_total, bindings } = await check(workflow)
  expect([steps.length, steps_total, Object.keys(bindings).length]).toEqual([1_000, 3_000, 1_000])
  expect(bindings.s0.text[0].text).toHaveLength(200)
})

it('an unknown collection and a foreign one are answered alike', async () => {
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  const { body } = await jetty.call('POST', '/api/v1/api-keys', {
    name: 'reader',
    collection_name: 'acme',
    access_level: 'READ',
  })
  const ask = (collection: string) =>
    jetty.call('POST', '/api/v1/workflows/check', { collection, workflow: {} }, body.api_key)
  expect((await ask('acme')).status).toBe(200)
  const [foreign, unknown] = [await ask('other'), await ask('nowhere')]
  expect([foreign.status, foreign.body]).toEqual([404, unknown.body])
})

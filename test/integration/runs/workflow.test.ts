import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let attempts = 0
const flaky = activity({
  name: 'flaky',
  category: 'text',
  description: 'Fails twice in a way that may pass, then answers.',
  parameters: z.object({ text: z.string().describe('What to answer.'), fatal: z.boolean().optional().describe('…') }),
  outputs: z.object({ text: z.string() }),
  example: { activity: 'flaky', text: 'x' },
  async run({ text, fatal }, context) {
    attempts++
    if (fatal) throw new AppError('upstream_failed', 'The model said no')
    if (context.step.attempt < 3) throw new AppError('network_failed', 'Connection reset')
    return { text }
  },
})
const slow = activity({
  name: 'slow',
  category: 'text',
  description: 'Never ends by itself.',
  parameters: z.object({}),
  outputs: z.object({}),
  example: { activity: 'slow' },
  run: (_, context) =>
    new Promise<Record<string, never>>((_resolve, reject) =>
      context.signal.addEventListener('abort', () => reject(new Error('aborted'))),
    ),
})
const giant = activity({
  name: 'giant',
  category: 'text',
  description: 'Gives a text of some length.',
  parameters: z.object({ length: z.number().describe('Characters.') }),
  outputs: z.object({ text: z.string(), nul: z.string(), lone: z.string() }),
  example: { activity: 'giant', length: 1 },
  run: async ({ length }) => ({ text: 'x'.repeat(length), nul: '\0', lone: '\ud800' }),
})

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [flaky, slow, giant], env: { JETTY_MAX_OUTPUT_BYTES: '1MiB' } })
})
afterAll(() => jetty.close())

const echo = (given: Record<string, unknown>) => ({ activity: 'text_echo', ...given })

describe('parameters', () => {
  it('come from static values, paths, templates and lists of paths', async () => {
    const done = await jetty.run({
      init_params: {
        items: [
          { id: 1, tags: ['a', 'b'] },
          { id: 2, tags: ['c'] },
        ],
        name: 'Ann',
      },
      step_configs: {
        one: echo({ text_path: 'init_params.items[*].id' }),
        two: echo({ text_path: 'init_params.items[*].tags[*]' }),
        three: echo({ text: 'Hi {{ init_params.name }}, {{ two.outputs.text }} {{unknown}}' }),
        four: echo({ text_path: ['one.outputs.text[-1]', 'two.inputs.text.0'] }),
        five: echo({ text_path: { id: 'one.outputs.text[0]', state: 'one.status' } }),
        six: echo({ text_path: 'https://example.com/x.png' }),
      },
      steps: ['one', 'two', 'three', 'four', 'five', 'six'],
    })
    expect(done.status).toBe('completed')
    const text = (step: string) => done.steps[step].outputs.text
    expect(text('one')).toEqual([1, 2])
    expect(text('two')).toEqual(['a', 'b', 'c'])
    expect(text('three')).toBe('Hi Ann, ["a","b","c"] {{unknown}}')
    expect(text('four')).toEqual([2, 'a'])
    expect(text('five')).toEqual({ id: 1, state: 'completed' })
    expect(text('six')).toBe('https://example.com/x.png')
    expect(done.steps.three.depends_on).toEqual(['two'])
    expect(Object.keys(done.steps)).toEqual(['one', 'two', 'three', 'four', 'five', 'six'])
    expect(done.total_steps).toEqual(done.completed_steps)
  })

  it("of the caller win over the task's, key by key", async () => {
    const workflow = {
      init_params: { vars: { a: 1, b: 2 }, keep: 'k' },
      step_configs: { all: echo({ text_path: 'init_params' }) },
      steps: ['all'],
    }
    const done = await jetty.run(workflow, { init_params: { vars: { c: 3 }, extra: true } })
    expect(done.init_params).toEqual({ vars: { c: 3 }, keep: 'k', extra: true })
    expect(done.steps.all.outputs.text).toEqual(done.init_params)
  })

  it('accepts one surplus brace, and refuses what is no object with a hint', async () => {
    const workflow = { step_configs: { e: echo({ text_path: 'init_params.text' }) }, steps: ['e'] }
    expect((await jetty.run(workflow, { init_params: '{"text":"x"}}' })).init_params).toEqual({ text: 'x' })
    const task = await jetty.task(workflow)
    for (const init_params of ['[1]', '{"a":', '{}}}', '"x"', 'nonsense']) {
      const answer = await jetty.start(task, { init_params })
      expect(answer.detail[0].loc).toEqual(['body', 'init_params'])
      expect(answer.detail[0].msg).toMatch(/quot/)
    }
  })

  it('that are missing: a required one fails the step by name, an optional one takes its default', async () => {
    const failed = await jetty.run({
      init_params: { a: { b: 1 } },
      step_configs: { first: echo({ text: 'ok' }), e: echo({ text_path: 'init_params.a.c.d' }) },
      steps: ['first', 'e'],
    })
    expect(failed.status).toBe('failed')
    expect(failed.error).toMatch(
      /^Step 'e' failed: parameter 'text' .*'init_params.a.c.d'.*'init_params.a' has no 'c', only b/,
    )
    expect(failed.steps.e.status).toBe('failed')
    expect(failed.steps.e.error).toMatch(/init_params\.a\.c\.d/)
    const split = { activity: 'text_split', text: 'abc', chunk_size_path: 'init_params.size' }
    const done = await jetty.run({ step_configs: { split }, steps: ['split'] })
    expect(done.steps.split.outputs.count).toBe(1)
  })

  it('that nobody declared, old names and a missing path with a static value each leave a warning', async () => {
    const done = await jetty.run({
      step_configs: { e: echo({ text: 'x', txt: 'y' }), f: echo({ text_path: 'e.outputs.nope', text: 'static' }) },
      steps: ['e', 'f'],
    })
    expect(done.steps.f.outputs.text).toBe('static')
    const logs = (await jetty.call('GET', `/api/v1/workflows-logs/${done.workflow_id}?level=warning`)).body
    expect(logs.events.map((event: { message: string }) => event.message)).toEqual([
      "unknown parameter 'txt'; did you mean 'text'?",
      expect.stringContaining('its static value is used'),
    ])
  })
})

describe('a workflow that cannot run', () => {
  const step = echo({ text: 'x' })
  const cases: [string, object, RegExp][] = [
    ['a digit for a name', { step_configs: { 1: step }, steps: ['1'] }, /Step name '1' is not allowed/],
    ['a reserved name', { step_configs: { env: step }, steps: ['env'] }, /Step name 'env' is not allowed/],
    ['no config', { step_configs: {}, steps: ['a'] }, /'a' has no entry in step_configs/],
    ['the same step twice', { step_configs: { a: step }, steps: ['a', 'a'] }, /listed twice/],
    [
      'no such activity',
      { step_configs: { a: { activity: 'magic' } }, steps: ['a'] },
      /^No step registered for 'magic'$/,
    ],
    ['passthrough', { step_configs: { a: { activity: 'passthrough' } }, steps: ['a'] }, /No step registered for 'pass/],
    [
      'itself',
      { step_configs: { a: echo({ text_path: 'a.outputs.text' }) }, steps: ['a'] },
      /refers to the step itself/,
    ],
    [
      'what comes later',
      { step_configs: { a: echo({ text_path: 'b.outputs.text' }), b: step }, steps: ['a', 'b'] },
      /refers to a step that runs later/,
    ],
    [
      'an unknown step',
      { step_configs: { a: echo({ text_path: 'zz.outputs' }) }, steps: ['a'] },
      /there is no step 'zz'/,
    ],
    [
      'an unknown section',
      { step_configs: { b: step, a: echo({ text_path: 'b.result.x' }) }, steps: ['b', 'a'] },
      /expected one of inputs, outputs/,
    ],
    [
      'a cycle by depends_on',
      { step_configs: { a: { ...step, depends_on: ['a'] } }, steps: ['a'] },
      /depends_on names/,
    ],
  ]
  it.each(cases)('names %s: a warning on write, failed with no step executed on run', async (_, workflow, text) => {
    const written = await jetty.call('POST', '/api/v1/tasks/acme', {
      name: `w${Math.random()}`.replace('.', ''),
      workflow,
    })
    expect(written.status).toBe(201)
    const { warnings } = written.body as { warnings: { message: string }[] }
    expect(warnings).toContainEqual(expect.objectContaining({ message: expect.stringMatching(text) }))
    const failed = await jetty.run(workflow)
    expect(failed.status).toBe('failed')
    expect(failed.error).toMatch(text)
    expect(failed.steps).toEqual({})
    const logs = (await jetty.call('GET', `/api/v1/workflows-logs/${failed.workflow_id}`)).body
    expect(logs.events.filter((event: { level: string }) => event.level === 'error').length).toBeGreaterThan(0)
  })

  it('completes at once with no steps', async () => {
    for (const workflow of [{}, { init_params: {}, step_configs: {}, steps: [] }]) {
      const done = await jetty.run(workflow)
      expect([done.status, done.steps]).toEqual(['completed', {}])
    }
  })
})

describe('execution', () => {
  it('tries again what may pass, with the attempt counted, and not what will not', async () => {
    attempts = 0
    const done = await jetty.run({ step_configs: { f: { activity: 'flaky', text: 'x' } }, steps: ['f'] })
    expect([done.status, done.steps.f.attempt, attempts]).toEqual(['completed', 3, 3])
    attempts = 0
    const config = { activity: 'flaky', text: 'x', fatal: true }
    const failed = await jetty.run({ step_configs: { f: config, g: echo({ text: 'x' }) }, steps: ['f', 'g'] })
    expect([failed.status, attempts, Object.keys(failed.steps)]).toEqual(['failed', 1, ['f']])
    expect(failed.error).toBe("Step 'f' failed: The model said no")
    expect(failed.steps.f.error).toBe('The model said no')
    expect(failed.steps.f.inputs).toEqual({ text: 'x', fatal: true })
  })

  it('stops a step at its time limit', async () => {
    const failed = await jetty.run({ step_configs: { s: { activity: 'slow', timeout_sec: 0.2 } }, steps: ['s'] })
    expect(failed.error).toBe("Step 's' failed: timed out after 0.2 s")
  })

  it('shows a running step with its inputs, and cancels it', async () => {
    const task = await jetty.task({
      step_configs: { s: { activity: 'slow' }, t: echo({ text: 'x' }) },
      steps: ['s', 't'],
    })
    const { trajectory_id: id } = await jetty.start(task)
    const running = await jetty.until(task, id, (seen) => seen.steps.s?.status === 'running')
    expect([running.status, running.steps.s.ended]).toEqual(['running', null])
    const answer = await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, {
      [id]: 'cancelled',
      beef: 'failed',
    })
    expect(answer.body).toMatchObject({ updated: { [id]: 'cancelled' }, not_found: ['beef'] })
    const cancelled = await jetty.get(task, id)
    expect([cancelled.status, cancelled.steps.s.status, cancelled.steps.t]).toEqual([
      'cancelled',
      'cancelled',
      undefined,
    ])
    const relabelled = await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'archived' })
    expect(relabelled.body.updated).toEqual({ [id]: 'archived' })
    expect((await jetty.get(task, id)).status).toBe('archived')
  })

  it('refuses statuses that cannot be set, and applies nothing', async () => {
    const task = await jetty.task({})
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, ({ status }) => status === 'completed')
    const path = `/api/v1/trajectory/acme/${task}/statuses`
    expect((await jetty.call('POST', path, { [id]: 'running' })).status).toBe(422)
    expect((await jetty.call('POST', path, { [id]: 'archived', other: 'done' })).status).toBe(422)
    expect((await jetty.call('POST', path, {})).body.updated).toEqual({})
    expect((await jetty.call('POST', path, { cafecafe: 'failed' })).status).toBe(404)
    expect((await jetty.get(task, id)).status).toBe('completed')
  })

  it('keeps large values outside the row and shows them all the same; above the limit the step fails', async () => {
    const done = await jetty.run({
      step_configs: {
        g: { activity: 'giant', length: 200_000 },
        e: echo({ text_path: 'g.outputs' }),
        n: echo({ text_path: 'e.outputs.text.nul' }),
      },
      steps: ['g', 'e', 'n'],
    })
    expect(done.status).toBe('completed')
    expect(done.steps.e.outputs.text.text.length).toBe(200_000)
    expect(done.steps.e.inputs.text.lone).toBe('\ud800')
    expect(done.steps.n.outputs.text).toBe('\0')
    const [row] = await jetty.server.database.query<{ outputs: string | null }>(
      `select s.outputs from steps s join runs r on r.id = s.run_id where r.trajectory_id = $1 and s.name = 'g'`,
      [done.trajectory_id],
    )
    expect(row?.outputs).toBeNull()
    const failed = await jetty.run({ step_configs: { g: { activity: 'giant', length: 1_100_000 } }, steps: ['g'] })
    expect(failed.error).toMatch(/produced 1\.0 MiB of outputs; at most 1\.0 MiB/)
  })

  it('runs 10,000 steps, and 64 levels of nesting', async () => {
    const names = Array.from({ length: 10_000 }, (_, at) => `s${at}`)
    const configs = names.map((name, at) => [
      name,
      echo(at === 0 ? { text_path: 'init_params.deep' } : { text_path: `s${at - 1}.outputs.text` }),
    ])
    let deep: unknown = 'bottom'
    for (let level = 0; level < 64; level++) deep = level % 2 ? [deep] : { [`l${level}`]: deep }
    const done = await jetty.run({ init_params: { deep }, step_configs: Object.fromEntries(configs), steps: names })
    expect(done.status).toBe('completed')
    expect(done.completed_steps.length).toBe(10_000)
    expect(done.steps.s9999.outputs.text).toEqual(deep)
  }, 180_000)
})

describe('secrets', () => {
  it('reach a step, and are struck out of everything else', async () => {
    const set = await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
      environment_variables: { SERVICE_TOKEN: 'collection-secret "quoted"', SHORT: 'abc' },
    })
    // Without its variables the collection has nothing to strike out, and the leak check would find them.
    expect(set.status, JSON.stringify(set.body)).toBe(200)
    const task = await jetty.task({
      init_params: { note: 'not collection-secret "quoted" at all' },
      step_configs: {
        use: {
          activity: 'text_template',
          template: '{{a}}|{{b}}|{{c}}',
          a_path: 'env.SERVICE_TOKEN',
          b_path: 'env.ONE_OFF',
          c_path: 'env.SHORT',
        },
        fail: echo({ text_path: 'env.NOT_THERE' }),
      },
      steps: ['use', 'fail'],
    })
    const secret_params = { ONE_OFF: 'one-off-secret-value' }
    const answer = await jetty.start(task, { secret_params })
    const done = await jetty.until(task, answer.trajectory_id, (seen) => seen.ended !== null)
    expect(done.steps.use.inputs).toMatchObject({ a: '***', b: '***', c: '***' })
    expect(done.steps.use.outputs.text).toBe('***|***|abc')
    const logs = await jetty.call('GET', `/api/v1/workflows-logs/${done.workflow_id}`)
    for (const seen of [answer, done, logs.body]) {
      expect(JSON.stringify(seen)).not.toMatch(/collection-secret|one-off-secret/)
    }
    const [row] = await jetty.server.database.query<Record<string, unknown>>(
      'select * from runs where trajectory_id = $1',
      [answer.trajectory_id],
    )
    expect(row?.sealed_secrets).toBeNull()
    expect(JSON.stringify(row)).not.toMatch(/collection-secret|one-off-secret/)
  })
})

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assemble, readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const echo = (given: Record<string, unknown>) => ({ activity: 'text_echo', ...given })
const get = async (path: string): Promise<Body> => {
  const { status, body } = await jetty.call('GET', path)
  expect([path, status]).toEqual([path, 200])
  return body
}
const placeOf = ({ task, trajectory_id: id }: Body) => `/api/v1/trajectory/acme/${task}/${id}`
const stepOf = (run: Body, step: string) => get(`${placeOf(run)}/steps/${encodeURIComponent(step)}`)

const summaryMembers = ['activity', 'key', 'status', 'error', 'created', 'ended', 'duration_seconds', 'attempt']
const moreMembers = ['depends_on', 'decided_by', 'progress', 'error_detail', 'ready_at', 'wait', 'attempts']
const outlineOf = (step: Body): Body =>
  Object.fromEntries(
    [...summaryMembers, ...moreMembers].filter((name) => name in step).map((name) => [name, step[name]]),
  )

/** A document with its references replaced with what they lead to. */
const followed = async ({ large_values: pointers, ...document }: Body): Promise<Body> => {
  const whole = structuredClone(document)
  for (const pointer of pointers as string[]) {
    const names = pointer
      .slice(1)
      .split('/')
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = names.pop() ?? ''
    const holder = names.reduce((value, name) => value[name], whole)
    const { href, bytes } = holder[last].$large
    holder[last] = await get(href)
    expect(Buffer.byteLength(JSON.stringify(holder[last]))).toBe(bytes)
  }
  return whole
}

/** The whole document of a run, put together from its summary and its single steps. */
const putTogether = async (run: Body): Promise<Body> => {
  const { steps, ...head } = await get(`${placeOf(run)}?view=summary`)
  const whole = await followed(head)
  const entries = Object.keys(steps).map(async (name) => {
    const detail = await stepOf(run, name)
    expect(outlineOf(detail)).toEqual(steps[name])
    expect(JSON.stringify(detail).length).toBeLessThan(300_000)
    const { origins: _, ...step } = await followed(detail)
    return [name, step]
  })
  return { ...whole, steps: Object.fromEntries(await Promise.all(entries)) }
}

const expectSame = async (run: Body): Promise<void> => {
  const { step_configs: _, ...whole } = await get(placeOf(run))
  expect(await putTogether(run)).toEqual(whole)
}

describe('the summary of a run and its single steps', () => {
  test('are together the whole trajectory, for any run', async () => {
    const value = fc.oneof(
      { weight: 4, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
      fc.constantFrom('z'.repeat(70_000), ['é'.repeat(66_000)], { a: '"'.repeat(40_000) }),
    )
    const step = fc.oneof(
      value.map((text) => echo({ text })),
      fc.constantFrom(
        echo({ text_path: 'first.outputs.text' }),
        echo({ text: 'say {{first.outputs.text}}' }),
        echo({ text_path: 'init_params.big' }),
        echo({ text_path: 'first.outputs.none', options: { continue_on_error: true } }),
      ),
    )
    const workflow = fc.tuple(value, fc.array(step, { maxLength: 4 }), value).map(([first, others, big]) => {
      const step_configs = Object.fromEntries(
        [echo({ text: first }), ...others].map((one, at) => [at ? `s${at}` : 'first', one]),
      )
      return { init_params: { big, small: 1 }, step_configs, steps: Object.keys(step_configs) }
    })
    await fc.assert(
      fc.asyncProperty(workflow, async (one) => expectSame(await jetty.run(one as never))),
      { numRuns: 20 },
    )
  })

  test('so too when a branch skips a step', async () => {
    const run = await jetty.run({
      step_configs: {
        ask: { activity: 'conditional_branch', condition: true, true_step: 'yes', false_step: 'no' },
        yes: echo({ text: 'yes' }),
        no: echo({ text: 'no' }),
        last: echo({ text_path: 'no.outputs.text', text: '{{yes.outputs.text}}' }),
      },
      steps: ['ask', 'yes', 'no', 'last'],
    })
    expect(run.steps.no.status).toBe('skipped')
    await expectSame(run)
    expect((await stepOf(run, 'last')).origins).toEqual({ text: '{{yes.outputs.text}}' })
  })

  test('so too of loops, where each turn has a name of its own', async () => {
    const run = await jetty.run({
      step_configs: {
        work: echo({ text: 'turn' }),
        again: { activity: 'loop_counter', steps: ['work'], max_turns: 3 },
      },
      steps: ['work', 'again'],
    })
    const names = ['work', 'again', 'work__2', 'again__2', 'work__3', 'again__3']
    expect(Object.keys(run.steps)).toEqual(names)
    await expectSame(run)
    for (const name of names) expect((await stepOf(run, name)).key).toBe(name)
  })
})

describe('a single step', () => {
  const large = 'L'.repeat(200_000)
  let run: Body
  beforeAll(async () => {
    run = await jetty.run({
      init_params: { big: large, name: 'Ada' },
      step_configs: {
        one: echo({ text_path: 'init_params.big' }),
        two: echo({ text: '{{init_params.name}} and {{one.outputs.text}}' }),
        three: echo({ text_path: 'one.outputs.none', options: { continue_on_error: true } }),
      },
      steps: ['one', 'two', 'three'],
    })
  })

  test('says where each parameter came from', async () => {
    expect((await stepOf(run, 'one')).origins).toEqual({ text: 'init_params.big' })
    expect((await stepOf(run, 'two')).origins).toEqual({ text: '{{init_params.name}} and {{one.outputs.text}}' })
    expect((await stepOf(run, 'three')).origins).toEqual({ text: 'one.outputs.none' })
  })

  test('refers to large values, which a call of their own returns whole', async () => {
    const { inputs, outputs, large_values } = await stepOf(run, 'one')
    expect(large_values).toEqual(['/inputs/text', '/outputs/text'])
    const { bytes, type, preview, href } = outputs.text.$large
    expect([bytes, type]).toEqual([large.length + 2, 'string'])
    expect(large.startsWith(preview)).toBe(true)
    expect(await get(href)).toBe(large)
    expect(await get(inputs.text.$large.href)).toBe(large)
    expect(await get(`${placeOf(run)}/steps/one/value?of=outputs`)).toEqual({ text: large })
    expect(await get(`${placeOf(run)}/init_params?member=name`)).toBe('Ada')
    expect(await get(`${placeOf(run)}/init_params`)).toEqual({ big: large, name: 'Ada' })
  })

  test('that is not there is a 404 that says what is missing', async () => {
    const answers = await Promise.all(
      [
        '/steps/four',
        '/steps/one__2',
        '/steps/one/value?member=none',
        '/steps/one/value?of=everything',
        '/init_params?member=none',
      ].map((path) => jetty.call('GET', placeOf(run) + path)),
    )
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 422, 404])
    expect(answers[0]?.body.detail).toBe(`Run '${run.trajectory_id}' has no step 'four'`)
    expect(answers[2]?.body.detail).toBe("The outputs of step 'one' have no member 'none'")
    const elsewhere = await jetty.call('GET', `/api/v1/trajectory/acme/none/${run.trajectory_id}/steps/one`)
    expect([elsewhere.status, elsewhere.body.detail]).toEqual([404, `Trajectory '${run.trajectory_id}' not found`])
  })

  test('a secret is struck out of a large value as of any other', async () => {
    const secret = 'step-views-secret-5d1c'
    const { trajectory_id, task } = await jetty.run(
      {
        step_configs: {
          use: echo({ text_path: 'env.KEY' }),
          one: echo({ text: '{{init_params.big}} {{use.outputs.text}}' }),
        },
        steps: ['use', 'one'],
      },
      { init_params: { big: large }, secret_params: { KEY: secret } },
    )
    const step = await stepOf({ trajectory_id, task }, 'one')
    const whole = await get(step.outputs.text.$large.href)
    expect(whole).toBe(`${large} ***`)
    expect(JSON.stringify([step, whole])).not.toContain(secret)
  })
})

describe('the events of a run in the view summary', () => {
  test('make up the summary, and carry no values', async () => {
    const task = await jetty.task({
      init_params: { word: 'lorem-ipsum' },
      step_configs: {
        say: echo({ text_path: 'init_params.word' }),
        nap: { activity: 'sleep', seconds: 0.4 },
        last: echo({ text_path: 'say.outputs.text' }),
      },
      steps: ['say', 'nap', 'last'],
    })
    const { trajectory_id: id } = await jetty.start(task)
    const url = `${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events?view=summary`
    const { events } = await readEvents(url, jetty.server.adminToken)
    const shown = await get(`${placeOf({ task, trajectory_id: id })}?view=summary`)
    const { steps, status } = assemble({}, events)
    expect({ steps, status }).toEqual({ steps: shown.steps, status: 'completed' })
    for (const { event, data } of events)
      if (event === 'step') expect(JSON.stringify(data)).not.toContain('lorem-ipsum')
    const all = await readEvents(url, jetty.server.adminToken, { lastEventId: 0 })
    expect(assemble({ steps: {} }, all.events).steps).toEqual(shown.steps)
  })
})

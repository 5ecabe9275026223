// Branches, loops, steps side by side, and options of a step: by what was done, not by what statuses say.
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../src/activities/activity.ts'
import { AppError, type ErrorCode } from '../../src/lib/errors.ts'
import { readEvents } from '../event-stream.ts'
import { wrongTotals } from '../kept-totals.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

/** What steps have done: one line an execution, by the name that the step is recorded under. */
let effects: string[] = []
let atWork = 0
let mostAtWork = 0

/** Leaves its effect and gives back what it was given; as often as it is told to, it fails first. */
const act = activity({
  name: 'act',
  category: 'control',
  description: 'For these tests.',
  parameters: z.object({
    give: z.unknown().optional(),
    milliseconds: z.number().default(0),
    fails: z.number().default(0),
    code: z.string().default('activity_failed'),
    hangs: z.number().default(0),
  }),
  outputs: z.object({ value: z.unknown() }),
  example: {},
  async run({ give, milliseconds, fails, code, hangs }, { step, signal }) {
    effects.push(step.name)
    atWork++
    mostAtWork = Math.max(mostAtWork, atWork)
    try {
      if (milliseconds > 0) await delay(milliseconds, undefined, { signal })
      if (step.attempt <= hangs) await delay(60_000, undefined, { signal })
      if (step.attempt <= fails) throw new AppError(code as ErrorCode, `attempt ${step.attempt} failed`)
      return { value: give ?? step.turn }
    } finally {
      atWork--
    }
  },
})

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({
    activities: [act],
    env: { JETTY_PARALLEL_STEPS: '3', JETTY_STEP_ATTEMPTS: '6', JETTY_LOOP_TURNS: '40' },
  })
})
afterAll(() => jetty.close())
beforeEach(() => {
  effects = []
  mostAtWork = 0
})

const does = (given: Record<string, unknown> = {}) => ({ activity: 'act', ...given })
const branch = (true_step: string | null, false_step: string | null, given: object = {}) => ({
  activity: 'conditional_branch',
  condition_path: 'init_params.go',
  true_step,
  false_step,
  ...given,
})
const loop = (steps: string[], max_turns: number, given: object = {}) => ({
  activity: 'loop_counter',
  steps,
  max_turns,
  ...given,
})
const statuses = (run: Body) =>
  Object.fromEntries(Object.values<Body>(run.steps).map((step) => [step.key, step.status]))

describe('conditional_branch', () => {
  const workflow = {
    step_configs: { first: does(), check: branch('yes', 'no'), yes: does(), no: does(), last: does() },
    steps: ['first', 'check', 'no', 'yes', 'last'],
  }

  it.each([
    [true, ['first', 'yes', 'last']],
    ['no', ['first', 'no', 'last']],
  ])('carries out the chosen one at its place and skips the other one: %j', async (go, done) => {
    const run = await jetty.run(workflow, { init_params: { go } })
    expect(run.status).toBe('completed')
    expect(effects).toEqual(done)
    const chosen = go === true ? 'yes' : 'no'
    const skipped = go === true ? 'no' : 'yes'
    expect(run.steps.check.outputs).toEqual({ condition: go === true, branch: String(go === true), next_step: chosen })
    expect(run.steps[skipped]).toMatchObject({ status: 'skipped', inputs: {}, outputs: {}, error: null })
    expect(Object.keys(run.steps)).toEqual(['first', 'check', 'no', 'yes', 'last'])
    expect(run.total_steps).toEqual(workflow.steps)
    expect(run.completed_steps).toEqual(['first', 'check', chosen, 'last'])
    const logs = (await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)).body.events
    const types = logs.filter((event: Body) => event.step === skipped).map((event: Body) => event.type)
    expect(types).toEqual(['step_skipped'])
  })

  it('carries out a target that is not listed right after itself, which may read what came before', async () => {
    const steps = {
      first: does({ give: 'before' }),
      check: branch('yes', null),
      yes: does({ give_path: 'first.outputs.value' }),
      last: does({ give_path: 'yes.outputs.value' }),
    }
    const run = await jetty.run({ step_configs: steps, steps: ['first', 'check', 'last'] }, { init_params: { go: 1 } })
    expect(effects).toEqual(['first', 'yes', 'last'])
    expect(run.steps.last.outputs.value).toBe('before')
    effects = []
    const other = await jetty.run(
      { step_configs: steps, steps: ['first', 'check', 'last'] },
      { init_params: { go: 0 } },
    )
    expect(effects).toEqual(['first', 'last'])
    expect(Object.keys(other.steps)).toEqual(['first', 'check', 'last'])
  })

  it('may lead to another branch; what a skipped one leads to is skipped too', async () => {
    const nested = {
      step_configs: {
        outer: branch('inner', 'other'),
        inner: branch('a', 'b', { condition_path: 'init_params.deep' }),
        a: does(),
        b: does(),
        other: does(),
      },
      steps: ['outer', 'inner', 'a', 'b', 'other'],
    }
    const deep = await jetty.run(nested, { init_params: { go: true, deep: false } })
    expect(effects).toEqual(['b'])
    expect(statuses(deep)).toEqual({
      outer: 'completed',
      inner: 'completed',
      a: 'skipped',
      b: 'completed',
      other: 'skipped',
    })
    effects = []
    const run = await jetty.run(nested, { init_params: { go: false, deep: true } })
    expect(effects).toEqual(['other'])
    expect(statuses(run)).toEqual({
      outer: 'completed',
      inner: 'skipped',
      a: 'skipped',
      b: 'skipped',
      other: 'completed',
    })
  })

  it('a skipped step is not given to an optional parameter, without a warning; in a list it is left out', async () => {
    const run = await jetty.run(
      {
        step_configs: {
          check: branch('yes', 'no'),
          yes: does({ give: 'y' }),
          no: does({ give: 'n' }),
          optional: does({ give_path: 'no.outputs.value' }),
          either: { activity: 'text_concatenate', texts_path: ['no.outputs.value', 'yes.outputs.value'] },
          state: does({ give_path: 'no.status' }),
        },
        steps: ['check', 'yes', 'no', 'optional', 'either', 'state'],
      },
      { init_params: { go: true } },
    )
    expect(run.status).toBe('completed')
    expect(run.steps.optional.inputs).toEqual({})
    expect(run.steps.optional.logs).toBeUndefined()
    expect(run.steps.either.outputs.text).toBe('y')
    expect(run.steps.state.outputs.value).toBe('skipped')
  })

  it('a required parameter that reads a skipped step fails its own step, when it is reached', async () => {
    const run = await jetty.run(
      {
        step_configs: {
          check: branch('yes', 'no'),
          yes: does(),
          no: does(),
          needs: { activity: 'text_echo', text_path: 'no.outputs.value' },
        },
        steps: ['check', 'yes', 'no', 'needs'],
      },
      { init_params: { go: true } },
    )
    expect(run.error).toBe(
      "Step 'needs' failed: parameter 'text' is required, but 'no.outputs.value' leads to nothing: step 'no' was skipped",
    )
  })

  it.each([
    [{ operator: '>=', value: 4 }, 4, true],
    [{ operator: '>=', value: 4 }, '3.5', false],
    [{ operator: '==', value: 'done' }, 'done', true],
    [{ operator: '!=', value: 1 }, '1', false],
    [{ operator: 'contains', value: 'b' }, ['a', 'b'], true],
    [{ operator: 'in', value: ['x', 'y'] }, 'z', false],
    [{}, 'False', false],
    [{}, [], false],
    [{}, 'anything', true],
    [{}, null, false],
  ])('%j of %j holds: %j', async (given, go, holds) => {
    const config = { activity: 'conditional_step', condition_path: 'init_params.go', ...given }
    const run = await jetty.run({ step_configs: { check: config }, steps: ['check'] }, { init_params: { go } })
    expect(run.steps.check.outputs).toEqual({ condition: holds, branch: String(holds), next_step: null })
  })

  it('a condition that leads to nothing is false, with a warning', async () => {
    const run = await jetty.run({
      step_configs: { a: does(), check: branch('yes', null, { condition_path: 'a.outputs.nope' }), yes: does() },
      steps: ['a', 'check', 'yes'],
    })
    expect(effects).toEqual(['a'])
    expect(run.steps.check.logs[0].message).toMatch(/'a.outputs.nope' leads to nothing.*it counts as false/)
  })
})

describe('loop_counter', () => {
  it('repeats its group, records each turn by its number, and lets a step read the turn before', async () => {
    const run = await jetty.run({
      step_configs: {
        before: does({ give: 'b' }),
        draft: does({ give_path: ['before.outputs.value', 'judge.outputs.value'] }),
        judge: does({ give_path: 'draft.outputs.value' }),
        again: loop(['draft', 'judge'], 3),
        after: does({ give_path: 'judge.outputs.value' }),
      },
      steps: ['before', 'draft', 'judge', 'again', 'after'],
    })
    expect(run.status).toBe('completed')
    expect(effects).toEqual(['before', 'draft', 'judge', 'draft__2', 'judge__2', 'draft__3', 'judge__3', 'after'])
    expect(Object.keys(run.steps)).toEqual([
      ...['before', 'draft', 'judge', 'again'],
      ...['draft__2', 'judge__2', 'again__2', 'draft__3', 'judge__3', 'again__3', 'after'],
    ])
    expect(run.steps.draft.outputs.value).toEqual(['b'])
    expect(run.steps.draft__2.outputs.value).toEqual(['b', ['b']])
    expect(run.steps.after.outputs.value).toEqual(['b', ['b', ['b']]])
    expect(run.steps.again__3.outputs).toEqual({ turn: 3, done: true, condition: null, ended_by: 'max_turns' })
    expect(run.steps.draft__2).toMatchObject({
      activity: 'act',
      depends_on: ['before', 'judge'],
      config: { activity: 'act' },
    })
    expect(run.completed_steps).toHaveLength(11)
  })

  it.each([
    ['until it holds', { until_path: 'count.outputs.value', operator: '>=', value: 3 }, 3],
    ['while it holds', { while_path: 'count.outputs.value', operator: '<', value: 2 }, 2],
    ['while it leads to nothing', { while_path: 'count.outputs.nope' }, 1],
    ['until it leads to nothing', { until_path: 'count.outputs.nope' }, 5],
  ])('goes on %s', async (_, given, turns) => {
    const run = await jetty.run({
      step_configs: { count: does(), again: loop(['count'], 5, given) },
      steps: ['count', 'again'],
    })
    expect(run.status).toBe('completed')
    expect(effects).toHaveLength(turns)
  })

  it('decides its branches anew in each turn, and waits in it', async () => {
    const run = await jetty.run({
      step_configs: {
        count: does(),
        check: branch('even', null, { condition_path: 'count.outputs.value', operator: 'in', value: [2, 4] }),
        even: does(),
        odd: does({ give_path: 'even.status' }),
        nap: { activity: 'sleep', seconds: 0.01 },
        again: loop(['count', 'check', 'odd', 'nap'], 4),
      },
      steps: ['count', 'check', 'odd', 'nap', 'again'],
    })
    expect(run.status).toBe('completed')
    expect(effects).toEqual([
      ...['count', 'odd', 'count__2', 'even__2', 'odd__2'],
      ...['count__3', 'odd__3', 'count__4', 'even__4', 'odd__4'],
    ])
    const seen = ['odd', 'odd__2', 'odd__3', 'odd__4'].map((name) => run.steps[name].outputs.value)
    expect(seen).toEqual(['skipped', 'completed', 'skipped', 'completed'])
  })

  it('counts as one step, however many turns it has', async () => {
    const task = await jetty.task({ step_configs: { a: does(), again: loop(['a'], 3) }, steps: ['a', 'again'] })
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, (run) => run.status === 'completed')
    const { steps } = (await jetty.call('GET', `/api/v1/db/stats/acme/${task}`)).body
    expect(Object.entries<Body>(steps).map(([name, step]) => [name, step.count])).toEqual([
      ['a', 3],
      ['again', 3],
    ])
    expect(await wrongTotals((text) => jetty.server.database.query(text))).toEqual([])
  })

  it('is bounded by a setting', async () => {
    const run = await jetty.run({ step_configs: { a: does(), again: loop(['a'], 41) }, steps: ['a', 'again'] })
    expect(run.error).toMatch(/max_turns is 41; at most 40 are allowed/)
  })
})

describe('"execution": "parallel"', () => {
  const parallel = (step_configs: Record<string, Record<string, unknown>>, steps = Object.keys(step_configs)) => ({
    execution: 'parallel',
    step_configs,
    steps,
  })

  it('runs side by side what does not depend on one another, within its limit, in the order of dependence', async () => {
    const run = await jetty.run(
      parallel({
        last: does({ give_path: ['c.outputs.value', 'd.outputs.value'] }),
        a: does({ give: 'a', milliseconds: 60 }),
        b: does({ give: 'b', milliseconds: 60 }),
        c: does({ give_path: 'a.outputs.value', milliseconds: 20 }),
        d: does({ give_path: 'b.outputs.value', milliseconds: 20, depends_on: ['e'] }),
        e: does({ milliseconds: 60 }),
        f: does({ milliseconds: 60 }),
      }),
    )
    expect(run.status).toBe('completed')
    expect(mostAtWork).toBe(3)
    expect(effects.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'last'])
    expect(effects.at(-1)).toBe('last')
    expect(Object.keys(run.steps)).toEqual(['a', 'b', 'c', 'e', 'd', 'last', 'f'])
    expect(run.steps.last.outputs.value).toEqual(['a', 'b'])
    expect(run.steps.d.depends_on).toEqual(['b', 'e'])
    expect(run.total_steps).toEqual(['last', 'a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('a failure interrupts the others, which are recorded as cancelled; nothing more begins', async () => {
    const run = await jetty.run(
      parallel({
        slow: does({ milliseconds: 20_000 }),
        bad: does({ fails: 9, milliseconds: 150 }),
        nap: { activity: 'sleep', seconds: 30 },
        next: does({ depends_on: ['slow'] }),
      }),
    )
    expect(run.error).toBe("Step 'bad' failed: attempt 1 failed")
    expect(statuses(run)).toEqual({ slow: 'cancelled', bad: 'failed', nap: 'cancelled' })
    expect(effects.toSorted()).toEqual(['bad', 'slow'])
  })

  it('whoever watches it misses nothing, in whatever order steps end', async () => {
    const task = await jetty.task(
      parallel({
        a: does({ milliseconds: 700 }),
        b: does({ milliseconds: 400 }),
        c: does({ milliseconds: 150 }),
        d: does(),
      }),
    )
    const { trajectory_id: id } = await jetty.start(task)
    const path = `${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events`
    const { events } = await readEvents(path, jetty.server.adminToken)
    const snapshot: Body = events[0]?.data
    const seen = new Map<string, string>(Object.values<Body>(snapshot.steps).map((step) => [step.key, step.status]))
    for (const { event, data } of events) if (event === 'step') seen.set(data.key, data.status)
    expect([...seen].sort()).toEqual(['a', 'b', 'c', 'd'].map((name) => [name, 'completed']))
    expect(events.at(-1)?.data.status).toBe('completed')
  })

  it('leaves memory while all it does is wait for long', async () => {
    const task = await jetty.task(
      parallel({ nap: { activity: 'sleep', seconds: 3600 }, after: does({ depends_on: ['nap'] }) }),
    )
    const { trajectory_id: id } = await jetty.start(task)
    const isParked = async () =>
      (
        await jetty.server.database.query(
          'select from runs where trajectory_id = $1 and lease is null and wake_at is not null',
          [id],
        )
      ).length > 0
    await expect.poll(isParked, { timeout: 10_000 }).toBe(true)
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    expect(statuses(await jetty.get(task, id))).toEqual({ nap: 'cancelled' })
  })

  it('is cancelled as a whole', async () => {
    const task = await jetty.task(
      parallel({
        a: does({ milliseconds: 20_000 }),
        b: does({ milliseconds: 20_000 }),
        c: does({ depends_on: ['a'] }),
      }),
    )
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, (run) => Object.keys(run.steps).length === 2)
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    const run = await jetty.until(task, id, (one) => one.status === 'cancelled')
    expect(statuses(run)).toEqual({ a: 'cancelled', b: 'cancelled' })
    expect(effects.toSorted()).toEqual(['a', 'b'])
  })

  it('branches decide there as well, and their targets wait for them', async () => {
    const run = await jetty.run(
      {
        ...parallel({
          no: does(),
          yes: does(),
          check: branch('yes', 'no'),
          other: does(),
          after: does({ give_path: ['no.status', 'hidden.status'] }),
          more: branch('hidden', null),
          hidden: does(),
        }),
        steps: ['no', 'yes', 'check', 'other', 'after', 'more'],
      },
      { init_params: { go: 1 } },
    )
    expect(run.status).toBe('completed')
    expect(effects.toSorted()).toEqual(['after', 'hidden', 'other', 'yes'])
    expect(statuses(run).no).toBe('skipped')
    expect(run.steps.after.outputs.value).toEqual(['skipped', 'completed'])
    expect(run.steps.yes.depends_on).toEqual(['check'])
  })
})

describe('options', () => {
  const one = (given: Record<string, unknown>) => ({
    step_configs: { one: does(given), two: does() },
    steps: ['one', 'two'],
  })

  it.each([
    ['as often as they say', { fails: 3 }, { max_attempts: 4, retry_on: 'all', backoff: 0.01 }, 4, 'completed'],
    [
      'and no more',
      { fails: 9 },
      { max_attempts: 4, retry_on: 'all', backoff: { initial_sec: 0, factor: 2 } },
      4,
      'failed',
    ],
    [
      'on the codes they name',
      { fails: 1, code: 'upstream_failed' },
      { retry_on: ['upstream_failed'], backoff: 0 },
      2,
      'completed',
    ],
    ['and on no others', { fails: 1 }, { retry_on: ['upstream_failed'], backoff: 0 }, 1, 'failed'],
    ['never, if they say so', { fails: 1, code: 'network_failed' }, { max_attempts: 1 }, 1, 'failed'],
  ])('try again %s', async (_, given, retry, tries, status) => {
    const run = await jetty.run(one({ ...given, options: { retry } }))
    expect(run.status).toBe(status)
    expect(effects.filter((name) => name === 'one')).toHaveLength(tries)
    expect(run.steps.one.attempt).toBe(tries)
  })

  it('timeout_sec is the time of one try', async () => {
    const options = { timeout_sec: 0.2, retry: { retry_on: ['timed_out'], backoff: 0 } }
    const run = await jetty.run(one({ hangs: 2, options }))
    expect(run.status).toBe('completed')
    expect(effects).toEqual(['one', 'one', 'one', 'two'])
    effects = []
    const failed = await jetty.run(one({ hangs: 9, options: { timeout_sec: 0.1 } }))
    expect(failed.error).toBe("Step 'one' failed: timed out after 0.1 s")
  })

  it('continue_on_error: the step has failed, the run goes on, and what reads its outputs finds nothing', async () => {
    const run = await jetty.run({
      step_configs: {
        bad: does({ fails: 9, options: { continue_on_error: true } }),
        reads: does({ give_path: 'bad.outputs.value' }),
        why: does({ give_path: 'bad.error' }),
        needs: { activity: 'text_echo', text_path: 'bad.outputs.value', options: { continue_on_error: true } },
        last: does(),
      },
      steps: ['bad', 'reads', 'why', 'needs', 'last'],
    })
    expect(run.status).toBe('completed')
    expect(run.error).toBeNull()
    expect(effects).toEqual(['bad', 'reads', 'why', 'last'])
    expect(statuses(run)).toMatchObject({ bad: 'failed', reads: 'completed', needs: 'failed', last: 'completed' })
    expect(run.completed_steps).toEqual(['reads', 'why', 'last'])
    expect(run.steps.bad.logs.at(-1).message).toMatch(/the run goes on \(continue_on_error\): attempt 1 failed/)
    expect(run.steps.reads.logs[0].message).toMatch(/'bad.outputs.value' leads to nothing/)
    expect(run.steps.why.outputs.value).toBe('attempt 1 failed')
  })

  it('a model that nobody serves refuses no run that can do without it', async () => {
    const asks = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hello' }
    const run = await jetty.run({
      step_configs: {
        tries: { ...asks, options: { continue_on_error: true } },
        check: branch('asks', 'two', { condition_path: 'tries.outputs.text' }),
        asks,
        two: does(),
      },
      steps: ['tries', 'check', 'asks', 'two'],
    })
    expect(run.status).toBe('completed')
    expect(statuses(run)).toEqual({ tries: 'failed', check: 'completed', asks: 'skipped', two: 'completed' })
  })

  it('between tries they hold no slot', async () => {
    const small = await jetty.run({
      execution: 'parallel',
      step_configs: {
        waits: does({ fails: 1, options: { retry: { retry_on: 'all', backoff: 1.5 } } }),
        quick: does(),
      },
      steps: ['waits', 'quick'],
    })
    expect(small.status).toBe('completed')
  })
})

describe('what cannot be carried out is said before anything is', () => {
  const cases: [string, object, RegExp][] = [
    [
      'a branch without such a step',
      { step_configs: { c: branch('x', null) }, steps: ['c'] },
      /'c': it leads to 'x', which has no entry/,
    ],
    [
      'a branch that leads back',
      { step_configs: { a: does(), c: branch('a', null) }, steps: ['a', 'c'] },
      /leads to 'a', which is listed before it/,
    ],
    [
      'a target that is a path',
      { step_configs: { c: { ...branch(null, null), true_step_path: 'init_params.x' } }, steps: ['c'] },
      /true_step is the name of a step/,
    ],
    [
      'one target of two branches, not listed',
      { step_configs: { a: branch('x', null), b: branch('x', null), x: does() }, steps: ['a', 'b'] },
      /list it in steps/,
    ],
    [
      'a target that reads a later step',
      { step_configs: { c: branch('x', null), x: does({ give_path: 'z.outputs' }), z: does() }, steps: ['c', 'z'] },
      /'x': 'z.outputs' refers to a step that runs later/,
    ],
    [
      'a group with a gap',
      { step_configs: { a: does(), b: does(), l: loop(['a'], 2) }, steps: ['a', 'b', 'l'] },
      /'l': it repeats the steps that are listed right before it.*'b'/,
    ],
    [
      'a group that is no list',
      { step_configs: { a: does(), l: { ...loop([], 2), steps: 'a' } }, steps: ['a', 'l'] },
      /'steps' must list the names/,
    ],
    [
      'a loop in a loop',
      { step_configs: { a: does(), l: loop(['a'], 2), m: loop(['a', 'l'], 2) }, steps: ['a', 'l', 'm'] },
      /a loop within a loop/,
    ],
    [
      'a name that a turn would have',
      { step_configs: { a__2: does(), a: does(), l: loop(['a'], 2) }, steps: ['a__2', 'a', 'l'] },
      /'a__2' is what a further turn of 'a' is recorded as/,
    ],
    [
      'a loop side by side',
      { execution: 'parallel', step_configs: { a: does(), l: loop(['a'], 2) }, steps: ['a', 'l'] },
      /no loops where steps run side by side/,
    ],
    [
      'a circle',
      {
        execution: 'parallel',
        step_configs: { a: does({ give_path: 'b.outputs' }), b: does({ give_path: 'a.outputs' }) },
        steps: ['a', 'b'],
      },
      /in a circle: 'a', 'b'/,
    ],
    [
      'no such execution',
      { execution: 'paralel', step_configs: {}, steps: [] },
      /execution must be "sequential" or "parallel"/,
    ],
    ['options that are none', { step_configs: { a: does({ options: 3 }) }, steps: ['a'] }, /options must be an object/],
    [
      'too many attempts',
      { step_configs: { a: does({ options: { retry: { max_attempts: 7 } } }) }, steps: ['a'] },
      /max_attempts must be a whole number from 1 to 6/,
    ],
    [
      'no such code',
      { step_configs: { a: does({ options: { retry: { retry_on: ['timed_uot'] } } }) }, steps: ['a'] },
      /'timed_out'/,
    ],
    [
      'a text for yes',
      { step_configs: { a: does({ options: { continue_on_error: 'yes' } }) }, steps: ['a'] },
      /continue_on_error must be true or false/,
    ],
  ]
  it.each(cases)('%s', async (_, workflow, words) => {
    const run = await jetty.run(workflow)
    expect([run.status, run.steps]).toEqual(['failed', {}])
    expect(run.error).toMatch(words)
    expect(effects).toEqual([])
  })

  it('keys of options that nobody knows leave a warning', async () => {
    const run = await jetty.run({ step_configs: { a: does({ options: { retrys: {} } }) }, steps: ['a'] })
    expect(run.steps.a.logs[0].message).toBe("unknown key 'retrys' in options; did you mean 'retry'?")
  })
})

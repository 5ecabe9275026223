// Options of a step, and what of a workflow is refused before anything of it is carried out.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'
import { act, branch, does, forget, loop, seen, statuses } from './acting.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [act], env: { JETTY_STEP_ATTEMPTS: '6' } })
})
afterAll(() => jetty.close())
beforeEach(forget)

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
    expect(seen.effects.filter((name) => name === 'one')).toHaveLength(tries)
    expect(run.steps.one.attempt).toBe(tries)
  })

  it('timeout_sec is the time of one try', async () => {
    const options = { timeout_sec: 0.2, retry: { retry_on: ['timed_out'], backoff: 0 } }
    const run = await jetty.run(one({ hangs: 2, options }))
    expect(run.status).toBe('completed')
    expect(seen.effects).toEqual(['one', 'one', 'one', 'two'])
    forget()
    const failed = await jetty.run(one({ hangs: 9, options: { timeout_sec: 0.1 } }))
    expect(failed.error).toBe("Step 'one' failed: timed out after 0.1 s")
  })

  it('continue_on_error: the step has failed, the run goes on, and what reads its outputs finds nothing', async () => {
    const run = await jetty.run({
      step_configs: {
        bad: does({ fails: 9, options: { continue_on_error: true } }),
        reads: does({ give_path: 'bad.outputs.value?' }),
        why: does({ give_path: 'bad.error' }),
        needs: { activity: 'text_echo', text_path: 'bad.outputs.value', options: { continue_on_error: true } },
        last: does(),
      },
      steps: ['bad', 'reads', 'why', 'needs', 'last'],
    })
    expect(run.status).toBe('completed')
    expect(run.error).toBeNull()
    expect(seen.effects).toEqual(['bad', 'reads', 'why', 'last'])
    expect(statuses(run)).toMatchObject({ bad: 'failed', reads: 'completed', needs: 'failed', last: 'completed' })
    expect(run.completed_steps).toEqual(['reads', 'why', 'last'])
    expect(run.steps.bad.logs.at(-1).message).toMatch(/the run goes on \(continue_on_error\): attempt 1 failed/)
    expect(run.steps.reads.inputs).toEqual({})
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
    expect(seen.effects).toEqual([])
  })

  it('keys of options that nobody knows leave a warning', async () => {
    const run = await jetty.run({ step_configs: { a: does({ options: { retrys: {} } }) }, steps: ['a'] })
    expect(run.steps.a.logs[0].message).toBe("unknown key 'retrys' in options; did you mean 'retry'?")
  })
})

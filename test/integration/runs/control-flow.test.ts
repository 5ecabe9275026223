// Branches and loops: by what was done, not by what statuses say.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { wrongTotals } from '../../kept-totals.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { act, branch, does, forget, loop, seen, statuses } from './acting.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [act], env: { JETTY_LOOP_TURNS: '40' } })
})
afterAll(() => jetty.close())
beforeEach(forget)

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
    expect(seen.effects).toEqual(done)
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
      last: does({ give_path: 'yes.outputs.value?' }),
    }
    const run = await jetty.run({ step_configs: steps, steps: ['first', 'check', 'last'] }, { init_params: { go: 1 } })
    expect(seen.effects).toEqual(['first', 'yes', 'last'])
    expect(run.steps.last.outputs.value).toBe('before')
    forget()
    const other = await jetty.run(
      { step_configs: steps, steps: ['first', 'check', 'last'] },
      { init_params: { go: 0 } },
    )
    expect(seen.effects).toEqual(['first', 'last'])
    expect(Object.keys(other.steps)).toEqual(['first', 'check', 'last'])
  })

  it.each([
    [true, ['a1', 'a2', 'last']],
    [false, ['b1', 'b2', 'last']],
  ])('carries out the whole arm that it leads to, and nothing of the other one: %j', async (go, done) => {
    const step_configs = {
      check: branch(['a1', 'a2'], ['b1', 'b2']),
      a1: does(),
      a2: does({ give_path: 'a1.outputs.value' }),
      b1: does(),
      b2: does(),
      last: does(),
    }
    const listed = await jetty.run(
      { step_configs, steps: ['check', 'a1', 'a2', 'b1', 'b2', 'last'] },
      { init_params: { go } },
    )
    expect([listed.status, seen.effects]).toEqual(['completed', done])
    expect(listed.steps.check.outputs.next_step).toBe(done[0])
    const skipped = Object.keys(step_configs).filter((name) => name !== 'check' && !done.includes(name))
    expect(statuses(listed)).toMatchObject(Object.fromEntries(skipped.map((name) => [name, 'skipped'])))
    forget()
    const unlisted = await jetty.run({ step_configs, steps: ['check', 'last'] }, { init_params: { go } })
    expect([unlisted.status, seen.effects]).toEqual(['completed', done])
    forget()
    const parallel = { execution: 'parallel', step_configs, steps: ['check', 'a1', 'a2', 'b1', 'b2'] }
    await jetty.run(parallel, { init_params: { go } })
    expect(seen.effects.sort()).toEqual(done.slice(0, 2))
  })

  it('warns of a step that stands between its targets, and runs whichever way it goes', async () => {
    const step_configs = { check: branch('a1', 'b1'), a1: does(), a2: does(), b1: does() }
    const run = await jetty.run({ step_configs, steps: ['check', 'a1', 'a2', 'b1'] }, { init_params: { go: false } })
    expect(seen.effects).toEqual(['a2', 'b1'])
    expect(run.steps.a2.logs).toMatchObject([{ message: expect.stringMatching(/runs whichever way it goes/) }])
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
    expect(seen.effects).toEqual(['b'])
    expect(statuses(deep)).toEqual({
      outer: 'completed',
      inner: 'completed',
      a: 'skipped',
      b: 'completed',
      other: 'skipped',
    })
    forget()
    const run = await jetty.run(nested, { init_params: { go: false, deep: true } })
    expect(seen.effects).toEqual(['other'])
    expect(statuses(run)).toEqual({
      outer: 'completed',
      inner: 'skipped',
      a: 'skipped',
      b: 'skipped',
      other: 'completed',
    })
  })

  it('a skipped step is not given to a parameter with a question mark, without a warning; in a list it is left out', async () => {
    const run = await jetty.run(
      {
        step_configs: {
          check: branch('yes', 'no'),
          yes: does({ give: 'y' }),
          no: does({ give: 'n' }),
          optional: does({ give_path: 'no.outputs.value?' }),
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
    expect(seen.effects).toEqual(['a'])
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
    expect(seen.effects).toEqual(['before', 'draft', 'judge', 'draft__2', 'judge__2', 'draft__3', 'judge__3', 'after'])
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
    expect(seen.effects).toHaveLength(turns)
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
    expect(seen.effects).toEqual([
      ...['count', 'odd', 'count__2', 'even__2', 'odd__2'],
      ...['count__3', 'odd__3', 'count__4', 'even__4', 'odd__4'],
    ])
    const states = ['odd', 'odd__2', 'odd__3', 'odd__4'].map((name) => run.steps[name].outputs.value)
    expect(states).toEqual(['skipped', 'completed', 'skipped', 'completed'])
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

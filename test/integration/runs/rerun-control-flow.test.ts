// Reruns and replays of workflows with loops, branches, fan-outs, and steps that run side by side.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const effects: string[] = []
const effect = activity({
  name: 'effect',
  category: 'text',
  description: 'Does something that can be counted.',
  parameters: z.object({
    of: z.string().describe('What it does.'),
    seen: z.unknown().optional().describe('Anything.'),
    fail: z.boolean().default(false).describe('Whether it fails.'),
  }),
  outputs: z.object({ done: z.number().describe('How much had been done by then.') }),
  example: { activity: 'effect', of: 'a' },
  gotchas: ['It is for tests.'],
  async run({ of, fail }) {
    effects.push(of)
    if (fail) throw new Error('as asked')
    return { done: effects.length }
  },
})

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [effect] })
})
beforeEach(() => {
  effects.length = 0
})
afterAll(() => jetty?.close())

const step = (of: string, more: Record<string, unknown> = {}) => ({ activity: 'effect', of, ...more })
const again = async (of: Body, body: unknown): Promise<Body> => {
  const path = `/api/v1/trajectory/acme/${of.task}/${of.trajectory_id}/rerun`
  const answer = await jetty.call('POST', path, body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return jetty.until(of.task, answer.body.trajectory_id, (run) => run.ended !== null)
}
const started = async (workflow: Body): Promise<Body> => {
  const run = await jetty.run(workflow)
  effects.length = 0
  return run
}
const rows = (run: Body): Promise<Body[]> =>
  jetty.server.database.query(
    `select s.seq, s.name, s.status, s.inputs, s.outputs, s.error from steps s join runs r on r.id = s.run_id
     where r.trajectory_id = $1 order by s.seq`,
    [run.trajectory_id],
  )
/** A replay is the recording, and nothing was done. */
const isReplayed = async (run: Body): Promise<void> => {
  const replayed = await again(run, { mode: 'replay' })
  expect([replayed.status, replayed.error, replayed.attributes.params.replay.divergence]).toEqual([
    run.status,
    run.error,
    null,
  ])
  expect(await rows(replayed)).toEqual(await rows(run))
  expect(effects).toEqual([])
}

describe('a loop', () => {
  const looping = {
    init_params: {},
    step_configs: {
      a: step('a'),
      x: step('x', { seen_path: 'a.outputs.done' }),
      y: step('y', { seen_path: 'x.outputs.done' }),
      more: { activity: 'loop_counter', steps: ['x', 'y'], max_turns: 3 },
      z: step('z', { seen_path: 'y.outputs.done' }),
    },
    steps: ['a', 'x', 'y', 'more', 'z'],
  }

  it('goes on in the middle of a turn, and before its first', async () => {
    const run = await started(looping)
    const second = await again(run, { from_step: 'y__2' })
    expect([second.status, effects.splice(0)]).toEqual(['completed', ['y', 'x', 'y', 'z']])
    expect(Object.keys(second.steps)).toEqual(Object.keys(run.steps))
    expect(second.steps.x__2.origin).toMatchObject({ kind: 'rerun', step: 'x__2' })
    expect(second.steps.x__3.origin.kind).toBeUndefined()
    await again(run, { from_step: 'x' })
    expect(effects.splice(0)).toEqual(['x', 'y', 'x', 'y', 'x', 'y', 'z'])
    await again(run, { from_step: 'z', version: 'current' })
    expect(effects).toEqual(['z'])
  })

  it('that has fewer turns now has no turn to begin with', async () => {
    const run = await started(looping)
    const configs = { ...looping.step_configs, more: { ...looping.step_configs.more, max_turns: 2 } }
    await jetty.call('PUT', `/api/v1/tasks/acme/${run.task}`, { workflow: { ...looping, step_configs: configs } })
    const third = await again(run, { from_step: 'more__2', version: 'current' })
    expect([Object.keys(third.steps), effects.splice(0)]).toEqual([
      ['a', 'x', 'y', 'more', 'x__2', 'y__2', 'more__2', 'z'],
      ['z'],
    ])
  })

  it('is replayed turn by turn', async () => isReplayed(await started(looping)))
})

describe('a branch', () => {
  const branching = {
    init_params: { yes: true },
    step_configs: {
      a: step('a'),
      choose: { activity: 'conditional_branch', condition_path: 'init_params.yes', true_step: 'b', false_step: 'c' },
      b: step('b'),
      c: step('c'),
      d: step('d'),
    },
    steps: ['a', 'choose', 'b', 'c', 'd'],
  }

  it('that was carried leads where it led, skipped steps included; decided anew it may lead elsewhere', async () => {
    const run = await started(branching)
    expect(run.steps.c.status).toBe('skipped')
    const last = await again(run, { from_step: 'd' })
    expect([effects.splice(0), last.steps.c.status, last.steps.c.origin.kind]).toEqual([['d'], 'skipped', 'rerun'])
    const kept = await again(run, { from_step: 'b', init_params: { yes: false } })
    expect([effects.splice(0), kept.steps.c.status]).toEqual([['b', 'd'], 'skipped'])
    const anew = await again(run, { from_step: 'choose', init_params: { yes: false } })
    expect([effects, anew.steps.b.status]).toEqual([['c', 'd'], 'skipped'])
  })

  it('is replayed, with what it skipped; decided otherwise, it is the first divergence', async () => {
    const run = await started(branching)
    await isReplayed(run)
    const other = await again(run, { mode: 'replay', init_params: { yes: false } })
    expect(other.attributes.params.replay.divergence).toMatchObject({ step: 'choose', in: 'inputs', path: 'condition' })
    expect(other.error).toMatch(/^Step 'c' failed: .* step 'c' has no result in run \w+: it is skipped/)
    expect(effects).toEqual([])
  })
})

describe('a failure that the run goes on after', () => {
  const tolerant = {
    init_params: {},
    step_configs: { a: step('a', { fail: true, options: { continue_on_error: true } }), b: step('b'), c: step('c') },
    steps: ['a', 'b', 'c'],
  }

  it('is carried, and replayed', async () => {
    const run = await started(tolerant)
    expect([run.status, run.steps.a.status]).toEqual(['completed', 'failed'])
    const next = await again(run, { from_step: 'c' })
    expect([next.status, next.steps.a.status, effects.splice(0)]).toEqual(['completed', 'failed', ['c']])
    await isReplayed(run)
  })

  it('is none where a replay comes to what was not recorded', async () => {
    const run = await started(tolerant)
    const configs = { ...tolerant.step_configs, a: { ...tolerant.step_configs.a, of: 'other' } }
    await jetty.call('PUT', `/api/v1/tasks/acme/${run.task}`, { workflow: { ...tolerant, step_configs: configs } })
    const replayed = await again(run, { mode: 'replay', version: 'current' })
    expect([replayed.status, Object.keys(replayed.steps)]).toEqual(['failed', ['a']])
  })
})

describe('steps side by side', () => {
  const parallel = {
    execution: 'parallel',
    init_params: {},
    step_configs: {
      a: step('a'),
      b: step('b', { seen_path: 'a.outputs.done' }),
      c: step('c'),
      d: step('d', { seen_path: 'c.outputs.done' }),
      e: step('e', { depends_on: ['b', 'd'] }),
    },
    steps: ['a', 'b', 'c', 'd', 'e'],
  }

  it('what does not wait for the step is carried, the rest is executed', async () => {
    const run = await started(parallel)
    const from = await again(run, { from_step: 'b' })
    expect([from.status, effects.splice(0).sort()]).toEqual(['completed', ['b', 'e']])
    expect(['a', 'c', 'd'].map((name) => from.steps[name].origin.kind)).toEqual(['rerun', 'rerun', 'rerun'])
    const last = await again(run, { from_step: 'e', version: 'current' })
    expect([last.status, effects.splice(0)]).toEqual(['completed', ['e']])
    const first = await again(run, { from_step: 'c' })
    expect([first.status, effects.sort()]).toEqual(['completed', ['c', 'd', 'e']])
  })

  it('a branch that failed is begun again, beside what others have done', async () => {
    const configs = { ...parallel.step_configs, b: step('b', { fail: true, seen_path: 'a.outputs.done' }) }
    const failed = await started({ ...parallel, step_configs: configs })
    expect(failed.status).toBe('failed')
    await jetty.call('PUT', `/api/v1/tasks/acme/${failed.task}`, { workflow: parallel })
    const run = await again(failed, { from_step: 'b', version: 'current' })
    expect([run.status, effects.includes('a'), effects.includes('e')]).toEqual(['completed', false, true])
  })

  it('are replayed, each in its place', async () => isReplayed(await started(parallel)))
})

describe('a fan-out', () => {
  it('that was carried keeps its runs; one that is replayed starts none', async () => {
    await jetty.call('POST', '/api/v1/tasks/acme', {
      name: 'child',
      workflow: {
        init_params: {},
        step_configs: { say: step('child', { seen_path: 'init_params.item' }) },
        steps: ['say'],
      },
    })
    const run = await started({
      init_params: { items: [1, 2, 3] },
      step_configs: {
        all: {
          activity: 'list_emit_await',
          items_path: 'init_params.items',
          child_workflow_name: 'child',
          item_param_name: 'item',
        },
        gather: {
          activity: 'extract_from_trajectories',
          trajectory_list_path: 'all.outputs.trajectory_references',
          extract_keys: { done: 'say.outputs.done' },
        },
        end: step('end', { seen_path: 'gather.outputs' }),
      },
      steps: ['all', 'gather', 'end'],
    })
    expect([run.status, run.error]).toEqual(['completed', null])
    const children = async () =>
      (await jetty.server.database.query<Body>(`select count(*)::int n from runs where name = 'acme/child'`))[0].n
    const next = await again(run, { from_step: 'end' })
    expect([next.status, effects.splice(0), await children()]).toEqual(['completed', ['end'], 3])
    expect(next.steps.all.outputs).toEqual(run.steps.all.outputs)
    await isReplayed(run)
    expect(await children()).toBe(3)
    await again(run, { from_step: 'all' })
    expect([effects.sort(), await children()]).toEqual([['child', 'child', 'child', 'end'], 6])
  })
})

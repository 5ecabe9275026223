// Steps that run side by side: by what was done, and when.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readEvents, type SeenEvent } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { act, branch, does, forget, open, seen, statuses } from './acting.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [act], env: { JETTY_PARALLEL_STEPS: '3' } })
})
afterAll(() => jetty.close())
beforeEach(forget)

describe('"execution": "parallel"', () => {
  const parallel = (step_configs: Record<string, Record<string, unknown>>, steps = Object.keys(step_configs)) => ({
    execution: 'parallel',
    step_configs,
    steps,
  })

  it('runs side by side what does not depend on one another, within its limit, in the order of dependence', async () => {
    const running = jetty.run(
      parallel({
        last: does({ give_path: ['c.outputs.value', 'd.outputs.value'] }),
        a: does({ give: 'a', gate: 'three' }),
        b: does({ give: 'b', gate: 'three' }),
        c: does({ give_path: 'a.outputs.value', milliseconds: 20 }),
        d: does({ give_path: 'b.outputs.value', milliseconds: 20, depends_on: ['e'] }),
        e: does({ gate: 'three' }),
        f: does({ milliseconds: 60 }),
      }),
    )
    await expect.poll(() => seen.mostAtWork).toBe(3)
    open.add('three')
    const run = await running
    expect(run.status).toBe('completed')
    expect(seen.mostAtWork).toBe(3)
    expect(seen.effects.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'last'])
    expect(seen.effects.at(-1)).toBe('last')
    expect(Object.keys(run.steps)).toEqual(['a', 'b', 'c', 'e', 'd', 'last', 'f'])
    expect(run.steps.last.outputs.value).toEqual(['a', 'b'])
    expect(run.steps.d.depends_on).toEqual(['b', 'e'])
    expect(run.total_steps).toEqual(['last', 'a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('a failure interrupts the others, which are recorded as cancelled; nothing more begins', async () => {
    const task = await jetty.task(
      parallel({
        slow: does({ milliseconds: 20_000 }),
        bad: does({ fails: 9, gate: 'bad' }),
        nap: { activity: 'sleep', seconds: 30 },
        next: does({ depends_on: ['slow'] }),
      }),
    )
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, ({ steps }) => Object.keys(steps).length === 3)
    open.add('bad')
    const run = await jetty.until(task, id, ({ ended }) => ended !== null)
    expect(run.error).toBe("Step 'bad' failed: attempt 1 failed")
    expect(statuses(run)).toEqual({ slow: 'cancelled', bad: 'failed', nap: 'cancelled' })
    expect(seen.effects.toSorted()).toEqual(['bad', 'slow'])
  })

  it('whoever watches it misses nothing, in whatever order steps end', async () => {
    const task = await jetty.task(
      parallel({
        a: does({ gate: 'a' }),
        b: does({ gate: 'b' }),
        c: does({ milliseconds: 150 }),
        d: does(),
      }),
    )
    const { trajectory_id: id } = await jetty.start(task)
    const path = `${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events`
    const ended = (seen: SeenEvent[], name: string) =>
      seen.some(({ data }) => (data.steps?.[name] ?? (data.key === name ? data : {})).status === 'completed')
    const { events } = await readEvents(path, jetty.server.adminToken, {
      enough(seen) {
        if (ended(seen, 'd')) open.add('b')
        if (ended(seen, 'b')) open.add('a')
        return false
      },
    })
    const snapshot: Body = events[0]?.data
    const last = new Map<string, string>(Object.values<Body>(snapshot.steps).map((step) => [step.key, step.status]))
    for (const { event, data } of events) if (event === 'step') last.set(data.key, data.status)
    expect([...last].sort()).toEqual(['a', 'b', 'c', 'd'].map((name) => [name, 'completed']))
    expect(events.at(-1)?.data.status).toBe('completed')
    const run = await jetty.get(task, id)
    expect([Object.keys(run.steps), run.completed_steps]).toEqual([
      ['a', 'b', 'c', 'd'],
      ['c', 'd', 'b', 'a'],
    ])
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
    await expect.poll(isParked).toBe(true)
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
    expect(seen.effects.toSorted()).toEqual(['a', 'b'])
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
    expect(seen.effects.toSorted()).toEqual(['after', 'hidden', 'other', 'yes'])
    expect(statuses(run).no).toBe('skipped')
    expect(run.steps.after.outputs.value).toEqual(['skipped', 'completed'])
    expect(run.steps.yes.depends_on).toEqual(['check'])
  })
})

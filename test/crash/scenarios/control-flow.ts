import { pause } from '../../../src/lib/time.ts'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { keyOf, type Moment, momentOf } from '../harness/checker.ts'
import { collection, makeClient } from '../harness/client.ts'
import { nextValue } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite, type Site, type Trace } from '../harness/site.ts'
import { lateEffects, openRuns, starts, untilAllEnded } from '../harness/storm.ts'

/** What a step of a run must have been recorded as. */
interface Line {
  name: string
  status: 'completed' | 'skipped' | 'failed'
  value?: number
}

interface Flow {
  workflow: Workflow
  /** The records of a run that began with this number, in their order. */
  expected(start: number): Line[]
}

const work = { from: 10, to: 120 }
const effect = (value_path: string, more: object = {}) => ({ activity: 'effect', value_path, ...work, ...more })
const from = (step: string) => `${step}.outputs.value`
const done = (name: string, value?: number): Line => ({
  name,
  status: 'completed',
  ...(value !== undefined && { value }),
})

const branching: Flow = {
  workflow: {
    step_configs: {
      first: effect('init_params.start'),
      check: {
        activity: 'conditional_branch',
        condition_path: from('first'),
        operator: '>',
        value: 500_000,
        true_step: 'high',
        false_step: 'low',
      },
      high: effect(from('first')),
      low: effect(from('first')),
      last: effect(from('first')),
    },
    steps: ['first', 'check', 'low', 'last'],
  },
  expected(start) {
    const first = nextValue(start)
    const [next, last] = [nextValue(first), nextValue(first)]
    return first > 500_000
      ? [
          done('first', first),
          done('check'),
          done('high', next),
          { name: 'low', status: 'skipped' },
          done('last', last),
        ]
      : [done('first', first), done('check'), done('low', next), done('last', last)]
  },
}

const turns = 4
const looping: Flow = {
  workflow: {
    step_configs: {
      count: effect('init_params.start'),
      more: effect(from('count')),
      again: { activity: 'loop_counter', steps: ['count', 'more'], max_turns: turns },
      last: effect(from('more')),
    },
    steps: ['count', 'more', 'again', 'last'],
  },
  expected(start) {
    const [count, more] = [nextValue(start), nextValue(nextValue(start))]
    const rounds = Array.from({ length: turns }, (_, at) => (at === 0 ? '' : `__${at + 1}`))
    return [
      ...rounds.flatMap((turn) => [done(`count${turn}`, count), done(`more${turn}`, more), done(`again${turn}`)]),
      done('last', nextValue(more)),
    ]
  },
}

const sideBySide: Flow = {
  workflow: {
    execution: 'parallel',
    step_configs: {
      a: effect('init_params.start'),
      b: effect('init_params.start'),
      c: effect('init_params.start'),
      d: effect(from('a')),
      e: effect(from('b'), { depends_on: ['c'] }),
      f: effect(from('d'), { depends_on: ['e'] }),
    },
    steps: ['a', 'b', 'c', 'd', 'e', 'f'],
  },
  expected(start) {
    const one = nextValue(start)
    const two = nextValue(one)
    return [done('a', one), done('b', one), done('c', one), done('d', two), done('e', two), done('f', nextValue(two))]
  },
}

const attempts = 3
const failing: Flow = {
  workflow: {
    step_configs: {
      first: effect('init_params.start'),
      bad: {
        activity: 'failing',
        value_path: from('first'),
        ...work,
        options: { retry: { max_attempts: attempts, backoff: 0.05 }, continue_on_error: true },
      },
      last: effect(from('first')),
    },
    steps: ['first', 'bad', 'last'],
  },
  expected(start) {
    const first = nextValue(start)
    return [done('first', first), { name: 'bad', status: 'failed' }, done('last', nextValue(first))]
  },
}

const flows: Record<string, Flow> = { branching, looping, 'side-by-side': sideBySide, failing }

const env = { JETTY_DRAIN_SECONDS: '0' }

/**
 * Ends the server in the middle of branches, loops, steps side by side, and retries: by a kill, by one with Postgres, or
 * as one stops a server that gives its steps no time.
 */
export const controlFlow = async ({ kills, runs }: { kills: number; runs: number }): Promise<string[]> => {
  const random = seeded('control flow')
  const site = makeSite()
  const client = makeClient()
  try {
    let server = site.spawn(env)
    let url = await server.ready
    const tasks = Object.entries(flows).map(([task, { workflow }]) => [task, workflow] as const)
    await client.setUp(url, Object.fromEntries(tasks))
    const lost = new Set<number>()
    const moments: Moment[] = []
    const inFlight: number[] = []
    for (let kill = 0; kill < kills; kill++) {
      await Promise.all(tasks.map(([task]) => client.startMany(url, task, starts(random, runs))))
      await pause(random.between(20, 300))
      inFlight.push(await openRuns(site))
      lost.add(server.pid)
      if (kill % 3 === 2) await server.stop()
      else await server.kill()
      if (kill % 3 === 1) site.killPostgres()
      server = site.spawn(env)
      url = await server.ready
      moments.push(await momentOf(site))
    }
    const settledMs = await untilAllEnded(site)
    const faults = [
      ...(await faultsOfRuns(site, client.acked.length)),
      ...faultsOfEffects(site.traces('effects'), await recordsOf(site), lost),
      ...(await wrongTotals((text) => site.rows(text))),
      ...lateEffects(site, moments),
    ]
    console.log(
      'control flow:',
      JSON.stringify({ runs: client.acked.length, inFlight, settledMs, faults: faults.length }),
    )
    return faults
  } finally {
    await site.close()
  }
}

interface Recorded {
  run_id: string
  task: string
  start: number
  run_status: string
  error: string | null
  seq: number
  name: string
  status: string
  attempt: number
  value: number | null
}

const recordsOf = (site: Site): Promise<Recorded[]> =>
  site.rows<Recorded>(
    `select r.id run_id, split_part(r.name, '/', 2) task, (r.init_params::json->>'start')::int "start", r.error,
       r.status run_status, s.seq, s.name, s.status, s.attempt, (s.outputs::json->>'value')::int "value"
     from runs r join steps s on s.run_id = r.id where r.name like '${collection}/%' order by r.number, s.seq`,
  )

const faultsOfRuns = async (site: Site, acked: number): Promise<string[]> => {
  const byRun = new Map<string, Recorded[]>()
  for (const row of await recordsOf(site)) byRun.set(row.run_id, [...(byRun.get(row.run_id) ?? []), row])
  const faults = byRun.size < acked ? [`${acked} runs were acknowledged, ${byRun.size} are there`] : []
  for (const [run, rows] of byRun) {
    const [first] = rows
    if (!first) continue
    if (first.run_status !== 'completed') faults.push(`${first.task} ${run} is ${first.run_status}: ${first.error}`)
    const lines = rows.map(({ name, status, value }) => ({ name, status, ...(value !== null && { value }) }))
    const expected = flows[first.task]?.expected(first.start)
    const [is, shouldBe] = [JSON.stringify(lines), JSON.stringify(expected)]
    if (is !== shouldBe) faults.push(`${first.task} ${run} from ${first.start}: ${is}, not ${shouldBe}`)
    if (rows.some(({ seq }, at) => seq !== at)) faults.push(`${first.task} ${run} has a gap in its records`)
  }
  return faults
}

/** What is recorded was done, and done again only where the process that did it was lost. */
const faultsOfEffects = (effects: Trace[], records: Recorded[], lost: ReadonlySet<number>): string[] => {
  const byStep = new Map<string, Trace[]>()
  for (const effect of effects) byStep.set(keyOf(effect), [...(byStep.get(keyOf(effect)) ?? []), effect])
  return records.flatMap((record) => {
    const key = keyOf({ run: record.run_id, seq: record.seq })
    const name = `${record.task} ${key} (${record.name})`
    const done = byStep.get(key) ?? []
    if (record.status === 'skipped') return done.length > 0 ? [`${name} was skipped and executed`] : []
    if (record.value === null && record.status === 'completed') return [] // a branch or a counter leaves none
    if (record.status === 'completed' && done.length === 0) return [`${name} is completed without an effect`]
    const last = done.at(-1)
    if (record.status === 'failed') {
      const tries = done.filter(({ pid }) => pid === last?.pid).length
      return tries > attempts || record.attempt < attempts
        ? [`${name} was tried ${tries} times, ${record.attempt}`]
        : []
    }
    return done.slice(0, -1).some(({ pid }) => !lost.has(pid)) ? [`${name} was executed twice without need`] : []
  })
}

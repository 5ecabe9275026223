import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { collection, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { until, untilAllEnded } from '../harness/storm.ts'

export interface RoutineWeekSize {
  /** How long the simulated time is. */
  hours: number
  /** Workers that are killed or stopped, one after the other, sometimes both. */
  restarts: number
  /** How many of them are frozen instead, for longer than a process may be before it is thought dead. */
  freezes: number
  /** How often the clock is set back an hour. */
  setBack: number
}

const begin = Date.parse('2026-11-23T00:00:00Z')
const minuteMs = 60_000
const longestJump = 30
const frozenMs = 7_000
const role = { JETTY_ROLE: 'worker', CRASH_BEAT_MS: '20', JETTY_ROUTINE_GRACE_SECONDS: '3600' }

/** The time of all processes of a site: a file that they look at. */
const makeClock = (site: Site) => {
  const path = join(site.folder, 'clock')
  let now = begin
  const set = (ms: number) => {
    now = ms
    writeFileSync(`${path}.new`, String(ms))
    renameSync(`${path}.new`, path) // never half of a number
  }
  set(begin)
  return { set, now: () => now, env: { CRASH_CLOCK: path } }
}

/**
 * A routine fires every minute of a simulated time, over two workers that are killed and stopped meanwhile, and with a
 * clock that is set back. Each minute has exactly one run, and each run was executed.
 */
export const routineWeek = async ({ hours, restarts, freezes, setBack }: RoutineWeekSize): Promise<string[]> => {
  const random = seeded('routines')
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const clock = makeClock(site)
  const end = begin + hours * 60 * minuteMs
  const begun = Date.now()
  try {
    const url = await site.spawn({ JETTY_ROLE: 'api', ...clock.env }).ready
    await client.setUp(url, { tick: { ...chain(1, { from: 0, to: 1 }), init_params: { start: 1 } } })
    const made = await client.call(url, 'POST', `/routines/${collection}/tick`, {
      name: 'every-minute',
      cadence: { type: 'cron', expression: '* * * * *' },
      overlap: 'allow',
    })
    if (made.status !== 201) throw new Error(`no routine: ${JSON.stringify(made.body)}`)
    const spawn = () => site.spawn({ ...role, ...clock.env })
    const workers: ServerProcess[] = [spawn(), spawn()]
    await Promise.all(workers.map((worker) => worker.ready))

    const restart = async (at: number) => {
      const worker = workers[at]
      if (frozen > 0 && worker) {
        frozen--
        worker.freeze() // with rows that it holds, or in the middle of writing runs down
        await pause(frozenMs)
        return worker.thaw()
      }
      if (random.next() < 0.7) await worker?.kill()
      else await worker?.stop()
      workers[at] = spawn()
    }
    const moments = (count: number) =>
      Array.from({ length: count }, () => begin + Math.floor(random.next() * hours * 60) * minuteMs).sort(
        (a, b) => a - b,
      )
    let frozen = freezes
    const [deaths, backwards] = [moments(restarts), moments(setBack)]

    const settled = async (): Promise<boolean> => {
      const [row] = await site.rows<{ settled: boolean }>(
        `select next_run_at > to_timestamp($1::float8 / 1000) and waiting = '{}' as settled from routines`,
        [clock.now()],
      )
      return row?.settled ?? false
    }
    while (clock.now() < end) {
      clock.set(Math.min(end, clock.now() + random.between(1, longestJump) * minuteMs))
      while ((deaths[0] ?? end) < clock.now()) {
        deaths.shift()
        const both = random.next() < 0.2
        await Promise.all(both ? [restart(0), restart(1)] : [restart(random.between(0, 1))])
      }
      await until('all fires up to now', settled)
      while ((backwards[0] ?? end) < clock.now()) {
        backwards.shift()
        const now = clock.now()
        clock.set(now - 60 * minuteMs)
        await pause(100)
        clock.set(now - 30 * minuteMs)
        await pause(100)
        clock.set(now)
      }
    }
    await untilAllEnded(site)
    const faults = await faultsOf(site, hours * 60)
    console.log('routines:', JSON.stringify({ fires: hours * 60, restarts, freezes, setBack, ms: Date.now() - begun }))
    return faults
  } finally {
    await site.close()
    await database.drop()
  }
}

const faultsOf = async (site: Site, minutes: number): Promise<string[]> => {
  const runs = await site.rows<{ id: string; status: string }>(
    'select id, status from runs where routine_id is not null',
  )
  const [routine] = await site.rows<{ id: number; last_skip_reason: string | null }>('select * from routines')
  const ids = new Set(runs.map((run) => run.id))
  const executed = new Set(site.traces('effects').map((effect) => effect.run))
  const expected = Array.from(
    { length: minutes },
    (_, at) => `routine/${routine?.id}/${new Date(begin + (at + 1) * minuteMs).toISOString()}`,
  )
  return [
    ...expected.filter((id) => !ids.has(id)).map((id) => `${id} has no run`),
    ...expected.filter((id) => !executed.has(id)).map((id) => `${id} was not executed`),
    ...runs.filter((run) => run.status !== 'completed').map((run) => `${run.id} is ${run.status}`),
    ...(runs.length === minutes ? [] : [`${runs.length} runs for ${minutes} fires`]),
    ...(routine?.last_skip_reason ? [routine.last_skip_reason] : []),
  ]
}

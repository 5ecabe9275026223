import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { check, recordedSteps, runsOf } from '../harness/checker.ts'
import { type Acked, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface CancelsSize {
  /** Runs that are cancelled about when they complete. */
  racing: number
}

const longStepMs = 600_000
/** For one that is told of it and one that looks each second: far less than the step that is cut short. */
const longestCancelMs = 30_000

const statusOf = async (site: Site, run: Acked): Promise<string | undefined> => {
  const [row] = await site.rows<{ status: string }>('select status from runs where trajectory_id = $1', [
    run.trajectoryId,
  ])
  return row?.status
}

/** Cancels on the queue, while parked, in the middle of a step of another process, and in a race with completion. */
export const cancels = async ({ racing }: CancelsSize): Promise<string[]> => {
  const name = 'cancels'
  const random = seeded(name)
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const faults: string[] = []
  try {
    const api = site.spawn({ JETTY_ROLE: 'api' })
    const url = await api.ready
    const nap = chain(3)
    nap.step_configs = { ...nap.step_configs, s1: { activity: 'sleep', seconds: 3600 } }
    const lastValue = { s2: { ...nap.step_configs.s2, value_path: 's0.outputs.value' } }
    await client.setUp(url, {
      chain: chain(2, { from: 20, to: 60 }),
      long: chain(2, { from: longStepMs, to: longStepMs }),
      nap: { ...nap, step_configs: { ...nap.step_configs, ...lastValue } },
    })
    const must = (run: Acked | undefined): Acked => {
      if (!run) throw new Error('a run was not taken')
      return run
    }
    /** Cancels it until it has ended: an answer comes after some seconds, whether its owner has heard of it or not. */
    const insist = async (run: Acked): Promise<string> => {
      let seen = ''
      await until('a cancelled run to end', async () => {
        const { status, body } = await client.cancel(url, run.task, [run.trajectoryId])
        if (status !== 200) throw new Error(`a cancel was answered ${status}: ${JSON.stringify(body)}`)
        seen = body.updated[run.trajectoryId]
        return seen !== 'pending' && seen !== 'running'
      })
      return seen
    }
    const cancelled = async (run: Acked, where: string) => {
      const seen = await insist(run)
      if (seen !== 'cancelled') faults.push(`cancel ${where} was answered ${seen}`)
      if ((await statusOf(site, run)) !== 'cancelled') faults.push(`cancel ${where} left ${await statusOf(site, run)}`)
    }

    await cancelled(must(await client.start(url, 'chain', 5)), 'on the queue, before any worker')
    const worker = site.spawn({ JETTY_ROLE: 'worker' })
    await worker.ready

    const parked = must(await client.start(url, 'nap', 6))
    await until('the run to be parked', async () => {
      const [row] = await site.rows<{ parked: boolean }>(
        'select lease is null and wake_at is not null parked from runs where trajectory_id = $1',
        [parked.trajectoryId],
      )
      return row?.parked ?? false
    })
    await cancelled(parked, 'while parked')

    const long = must(await client.start(url, 'long', 7))
    await until('the step to have begun', async () => (await statusOf(site, long)) === 'running')
    await until('its start row', async () => (await recordedSteps(site)).some((step) => step.status === 'running'))
    const asked = performance.now()
    await cancelled(long, 'in a step of another process')
    const inStepMs = Math.round(performance.now() - asked)
    if (inStepMs > longestCancelMs) faults.push(`cancelling a step elsewhere took ${inStepMs} ms`)

    const race = async (start: number) => {
      const run = must(await client.start(url, 'chain', start))
      await pause(random.between(0, 160))
      return { run, seen: await insist(run) }
    }
    const seen = new Map<string, string>()
    const left = starts(random, racing)
    const racer = async () => {
      for (let start = left.shift(); start !== undefined; start = left.shift()) {
        const { run, seen: status } = await race(start)
        seen.set(run.trajectoryId, status)
      }
    }
    await Promise.all(Array.from({ length: 16 }, racer))
    await untilAllEnded(site)

    // A cancel of a run that has ended sets its status as a label: what counts is one end, and that it stays.
    const ends = new Map((await runsOf(site)).map((run) => [run.trajectory_id, run.status]))
    for (const [id, status] of seen) {
      if (ends.get(id) !== status) faults.push(`run ${id} was answered ${status} and is ${ends.get(id)}`)
    }
    const report = await check(site, {
      acked: client.acked,
      lengths: { chain: 2, long: 2, nap: 3 },
      lost: new Set(),
      statusOf: (run) => (run.status === 'cancelled' ? 'cancelled' : undefined),
    })
    const whole = (await runsOf(site)).filter((run) => run.task === 'chain' && seen.has(run.trajectory_id))
    const steps = await recordedSteps(site)
    const completedSteps = (id: string) => steps.filter((s) => s.run_id === id && s.status === 'completed').length
    const cutShort = whole.filter((run) => completedSteps(run.id) < 2).length
    tell(name, report, { inStepMs, cutShort, whole: whole.length - cutShort })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
    await database.drop()
  }
}

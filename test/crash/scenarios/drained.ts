import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import { findPostgres } from '../../../src/store/database/postgres-process.ts'
import { check, recordedSteps, runsOf } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { openGate } from '../harness/gate.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface DrainedSize {
  runs: number
  /** Runs whose first step is deaf, and does not end before the next start. */
  stubborn: number
  steps: number
  drainSeconds: number
}

/** For what is then to be done, on a machine that stands still at times: whoever waited for the deaf would do so for ever. */
const tidySeconds = 40

/** SIGTERM under load: what executes may finish, the rest is handed over, and the next start goes on with it. */
export const drained = async ({ runs, stubborn, steps, drainSeconds }: DrainedSize): Promise<string[]> => {
  const name = 'drained'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const env = { JETTY_DRAIN_SECONDS: String(drainSeconds) }
  try {
    const first = site.spawn(env)
    const url = await first.ready
    await client.setUp(url, {
      chain: chain(steps),
      deaf: chain(2, { activities: { 0: 'stubborn' } }),
    })
    await client.startMany(url, 'deaf', starts(random, stubborn))
    await until('the deaf to have begun', () => site.traces('begins').length === stubborn)
    const arriving = client.startMany(url, 'chain', starts(random, runs))
    await pause(random.between(300, 700))
    const { code, milliseconds } = await first.stop()
    await arriving
    if (code !== 0) faults.push(`exit code ${code}`)
    if (milliseconds > (drainSeconds + tidySeconds) * 1000) faults.push(`the drain took ${milliseconds} ms`)
    if (findPostgres(site.dataDir)) faults.push('Postgres still runs')
    const postgresLog = readFileSync(join(site.dataDir, 'postgres.log'), 'utf8')
    if (!/database system is shut down\s*$/.test(postgresLog)) faults.push('Postgres was not stopped in order')
    const serverLog = readFileSync(join(site.folder, 'server.log'), 'utf8')
    if (/Postgres ended|ECONN|terminating connection/.test(serverLog)) faults.push('Postgres was not stopped last')

    const effectsThen = site.traces('effects')
    openGate(site)
    const second = site.spawn(env)
    await second.ready
    await until('the runs to go on', () => site.traces('begins').some((begin) => begin.pid === second.pid))
    const settledMs = await untilAllEnded(site)
    const report = await check(site, {
      acked: client.acked,
      lengths: { chain: steps, deaf: 2 },
      lost: new Set([first.pid]),
    })
    const again = report.repeats
    if (again > 0) faults.push(`${again} steps were executed twice`)
    const recordedBy = new Map(
      (await recordedSteps(site)).map((step) => [`${step.run_id}/${step.seq}`, step.outputs?.pid]),
    )
    const unrecorded = effectsThen.filter((effect) => recordedBy.get(`${effect.run}/${effect.seq}`) !== first.pid)
    if (unrecorded.length > 0) faults.push(`${unrecorded.length} finished steps were not recorded before the end`)
    const counted = (await runsOf(site)).filter((run) => run.deaths > 0)
    if (counted.length > 0) faults.push(`an orderly end counted as a death for ${counted.length} runs`)
    tell(name, report, { acked: client.acked.length, drainMs: milliseconds, handedOver: report.cutOff, settledMs })
    if (report.cutOff < stubborn) faults.push('nothing was left to hand over: nothing was tried')
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}

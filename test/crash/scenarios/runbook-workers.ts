import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { betweenEffects, eventsOf, faultsOf, mustStart, type ToldEvent } from '../harness/carried-runbook.ts'
import { type Acked, type Client, makeClient } from '../harness/client.ts'
import { type Gates, gatesOf, waitsAt } from '../harness/runbook-gate.ts'
import { firstUid, processesInside, runFolders, sandboxesLeft } from '../harness/sandboxes-left.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { until } from '../harness/storm.ts'

interface Begun {
  site: Site
  client: Client
  /** Of the process that answers, and executes nothing. */
  url: string
  run: Acked
  /** The worker that carries the runbook out. */
  victim: ServerProcess
  gates: Gates
  spawnWorker(): ServerProcess
  told(): Promise<ToldEvent[]>
  /** How often an agent has begun to work. */
  begun(): Promise<number>
}

/** Two workers, of which one carries a runbook out, for as long as its gate is shut. */
const whileOneWorks = async (
  happens: (begun: Begun, faults: string[]) => Promise<Record<string, number>>,
): Promise<string[]> => {
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const faults: string[] = []
  const env = { JETTY_SANDBOX_UID: String(firstUid) }
  const spawnWorker = () => site.spawn({ ...env, JETTY_ROLE: 'worker' })
  try {
    const url = await site.spawn({ ...env, JETTY_ROLE: 'api' }).ready
    const workers = [spawnWorker(), spawnWorker()]
    await Promise.all(workers.map(({ ready }) => ready))
    const script = [
      '(while sleep 0.2; do echo on; done) & talking=$!',
      waitsAt(),
      'kill $talking; echo one > /app/results/one',
    ]
    await client.setUp(url, { lasting: betweenEffects({ script }) })
    const run = await mustStart(client, url, 'lasting')
    const told = () => eventsOf(site, run.trajectoryId)
    const begun = async () => (await told()).filter(({ type }) => type === 'tool_call').length
    await until('the agent to work', async () => (await told()).some(({ type }) => type === 'tool_call'))
    const pid = site.traces('effects')[0]?.pid
    const victim = workers.find((worker) => worker.pid === pid)
    if (!victim) return ['nobody knows which worker has the run: nothing was tried']
    const figures = await happens(
      { site, client, url, run, victim, gates: gatesOf(site), spawnWorker, told, begun },
      faults,
    )
    faults.push(...(await faultsOf({ site, client, url }, run, { one: 'one\n' })))
    faults.push(...(await sandboxesLeft(site.dataDir, [run.trajectoryId])))
    console.log('runbook at one of two workers:', JSON.stringify(figures))
    return faults
  } finally {
    await site.close()
    await database.drop()
  }
}

/**
 * The worker is frozen until the other has taken the run over and works on it in a sandbox of its own. Thawed, it ends its
 * agent at once and writes nothing: what the run has is what the other made.
 */
export const runbookFrozen = (): Promise<string[]> =>
  whileOneWorks(async ({ site, victim, gates, told, begun }, faults) => {
    victim.freeze()
    const takenMs = await until('the other worker to work on it', async () => (await begun()) === 2)
    const both = runFolders(site.dataDir).length
    if (both !== 2) faults.push(`there are ${both} sandboxes while one worker is frozen`)
    const before = (await told()).length
    victim.thaw()
    const endedMs = await until('its sandbox to end', () => runFolders(site.dataDir).length === 1, 20_000)
    await pause(500) // whatever it still had to say
    const events = (await told()).slice(before)
    if (events.length > 0) faults.push(`it told ${JSON.stringify(events)}`)
    const settledMs = await gates.untilAllEnded()
    if (!victim.alive) faults.push('the thawed worker died')
    return { takenMs, endedMs, settledMs }
  })

/** The worker is killed; the other completes the run, and the next worker that starts removes what the dead one left. */
export const runbookWorkerKilled = (): Promise<string[]> =>
  whileOneWorks(async ({ victim, gates, spawnWorker }) => {
    await victim.kill()
    const goneMs = await until('its processes to be gone', () => processesInside() === 0, 20_000)
    const settledMs = await gates.untilAllEnded()
    await spawnWorker().ready
    return { goneMs, settledMs }
  })

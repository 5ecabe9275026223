import { betweenEffects, eventsOf, faultsOf, mustStart } from '../harness/carried-runbook.ts'
import { makeClient } from '../harness/client.ts'
import { gatesOf, waitsAt } from '../harness/runbook-gate.ts'
import { firstUid, processesInside, sandboxesLeft } from '../harness/sandboxes-left.ts'
import { makeSite } from '../harness/site.ts'
import { until } from '../harness/storm.ts'

const tidySeconds = 40
/** Within these the short one ends and is recorded. */
const drainSeconds = 10

/**
 * SIGTERM while one runbook is at work that ends within the time of a drain, one that does not, and one that waits for a
 * place: the first one is recorded, the second one ended and begun anew by the next start, the third one never begun
 * before that. None of it counts as a death.
 */
export const runbookDrained = async (): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const gates = gatesOf(site)
  const faults: string[] = []
  const env = {
    JETTY_SANDBOX_UID: String(firstUid),
    JETTY_SANDBOXES: '2',
    JETTY_DRAIN_SECONDS: String(drainSeconds),
  }
  const lasting = (gate: string) => betweenEffects({ script: ['echo one > /app/results/one', waitsAt(gate)] })
  try {
    const first = site.spawn(env)
    const url = await first.ready
    await client.setUp(url, { short: lasting('short'), long: lasting('long') })
    const short = await mustStart(client, url, 'short')
    const long = await mustStart(client, url, 'long')
    const works = async (id: string) => (await eventsOf(site, id)).some(({ type }) => type === 'tool_call')
    await until('both agents to work', async () => (await works(short.trajectoryId)) && works(long.trajectoryId))
    const waiting = await mustStart(client, url, 'short')
    const waits = async () => (await eventsOf(site, waiting.trajectoryId)).some(({ phase }) => phase === 'waiting')
    await until('the third one to wait', waits)
    const stopping = first.stop()
    gates.open('short')
    const { code, milliseconds } = await stopping
    if (code !== 0) faults.push(`exit code ${code}`)
    if (milliseconds > (drainSeconds + tidySeconds) * 1000) faults.push(`the drain took ${milliseconds} ms`)
    if (processesInside() > 0) faults.push('a sandbox outlived the server')
    const ids = [short, long, waiting].map(({ trajectoryId }) => trajectoryId)
    faults.push(...(await sandboxesLeft(site.dataDir, ids)).map((fault) => `after the stop ${fault}`))

    const second = site.spawn(env)
    const again = await second.ready
    const settledMs = await gates.untilAllEnded()
    faults.push(...(await faultsOf({ site, client, url: again }, long, { one: 'one\n' })))
    const rows = await site.rows<{ id: string; status: string; attempt: number; deaths: number }>(
      `select r.trajectory_id id, r.status, s.attempt, r.deaths from runs r
       join steps s on s.run_id = r.id and s.name = 'run'`,
    )
    for (const { id, status, attempt, deaths } of rows) {
      const wanted = id === long.trajectoryId ? 2 : 1
      if (status !== 'completed' || attempt !== wanted || deaths !== 0) {
        const which =
          id === waiting.trajectoryId
            ? 'the one that waited'
            : id === long.trajectoryId
              ? 'the long one'
              : 'the short one'
        faults.push(`${which} is ${status} after ${attempt} attempts, with ${deaths} deaths`)
      }
    }
    console.log('runbook drained:', JSON.stringify({ milliseconds, settledMs }))
    return faults
  } finally {
    await site.close()
  }
}

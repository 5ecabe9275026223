import { betweenEffects, eventsOf } from '../harness/carried-runbook.ts'
import { makeClient } from '../harness/client.ts'
import { seeded } from '../harness/random.ts'
import { firstUid, sandboxesLeft } from '../harness/sandboxes-left.ts'
import { makeSite } from '../harness/site.ts'
import { starts, until, untilAllEnded } from '../harness/storm.ts'

export interface RunbookQueueSize {
  runs: number
  /** Sandboxes at once. */
  places: number
  kills: number
}

/**
 * Many runbooks at once wait for the few sandboxes there are, while the server is killed again and again. All complete;
 * what only waited is neither tried again nor suspected, and those that came first are begun first.
 */
export const runbookQueue = async ({ runs, places, kills }: RunbookQueueSize): Promise<string[]> => {
  const name = 'runbook queue'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const env = { JETTY_SANDBOX_UID: String(firstUid), JETTY_SANDBOXES: String(places) }
  try {
    let server = site.spawn(env)
    let url = await server.ready
    await client.setUp(url, { queue: betweenEffects({ script: ['echo one > /app/results/one; sleep 0.3'] }) })
    await client.startMany(url, 'queue', starts(random, runs), 1)
    const ended = async () =>
      (await site.rows<{ n: number }>('select count(*)::int n from runs where ended_at is not null'))[0]?.n ?? 0
    for (let kill = 0; kill < kills; kill++) {
      const enough = Math.floor(((kill + 1) * runs) / (kills + 2))
      await until(`${enough} runs to end`, async () => (await ended()) >= enough)
      await server.kill()
      server = site.spawn(env)
      url = await server.ready
    }
    const settledMs = await untilAllEnded(site)

    const rows = await site.rows<{ id: string; status: string; deaths: number; attempt: number; files: number }>(
      `select r.trajectory_id id, r.status, r.deaths, s.attempt,
         (select count(*)::int from files f where f.run_id = r.id) files
       from runs r join steps s on s.run_id = r.id and s.name = 'run' order by r.number`,
    )
    if (rows.length !== runs) faults.push(`${rows.length} of ${runs} runs have carried a runbook out`)
    for (const { id, status, files } of rows)
      if (status !== 'completed' || files !== 2) faults.push(`${id}: ${status}, ${files} files`)
    const repeats = rows.reduce((sum, { attempt }) => sum + attempt - 1, 0)
    // A place is free once its sandbox is gone, which is before what came of it is on record: as many more may be at that.
    const most = kills * places * 2
    if (repeats > most) faults.push(`${repeats} runbooks were begun again, of ${most} at most`)

    const begun = await site.rows<{ id: string; told: number }>(
      `select r.trajectory_id id, count(*)::int told from step_events e join runs r on r.id = e.run_id
       where e.event like '%fresh sandbox%' group by 1`,
    )
    const told = begun.reduce((sum, row) => sum + row.told, 0)
    // An attempt that is killed in its first moments has told nothing yet; the one that completes has.
    const silent = rows.filter(({ id, attempt }) => attempt > 1 && !begun.some((row) => row.id === id))
    for (const { id } of silent) faults.push(`${id} was begun again, and told of no fresh sandbox`)
    if (told > repeats) faults.push(`${told} times a fresh sandbox was told of, and there were ${repeats}`)
    const order = await site.rows<{ place: number }>(
      `select (row_number() over (order by r.number)
         - row_number() over (order by (select min(e.changed) from step_events e
             where e.run_id = r.id and e.event like '%"phase":"preparing"%')))::int place
       from runs r join steps s on s.run_id = r.id and s.name = 'run'`,
    )
    const furthest = Math.max(...order.map(({ place }) => Math.abs(place)))
    if (kills === 0 && furthest > 2 * places) faults.push(`a runbook was begun ${furthest} places from its turn`)
    const first = rows[0]
    if (first && (await eventsOf(site, first.id)).length === 0) faults.push('nothing was told: nothing was tried')
    faults.push(
      ...(await sandboxesLeft(
        site.dataDir,
        rows.map(({ id }) => id),
      )),
    )
    console.log(`${name}:`, JSON.stringify({ runs, places, kills, repeats, furthest, settledMs }))
    return faults
  } finally {
    await site.close()
  }
}

import { pause } from '../../../src/lib/time.ts'
import { check } from '../harness/checker.ts'
import { collection, makeClient } from '../harness/client.ts'
import { chain, valueAfter } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { starts, tell, until, untilAllEnded } from '../harness/storm.ts'
import { startVictim } from '../harness/victim.ts'

const labels = { experiment: '7' }

const wrongRuns = async (site: Site, items: { start: number }[]): Promise<string[]> => {
  const runs = await site.rows<{ index: number; start: number; labels: number }>(
    `select child_index as index, (init_params::json->>'start')::int as start,
       (select count(*)::int from labels where run_id = r.id and key = 'experiment' and value = '7') as labels
     from runs r where name = $1 order by child_index`,
    [`${collection}/chain`],
  )
  const faults = runs.length === items.length ? [] : [`${items.length} items led to ${runs.length} runs`]
  runs.forEach(({ index, start, labels: found }, at) => {
    if (index !== at || start !== items[at]?.start) faults.push(`run ${at} is of item ${index}, with ${start}`)
    if (found !== 1) faults.push(`run ${at} has ${found} of its labels`)
  })
  return faults
}

/** Every item of a batch gets one run and one result, whatever is killed between the first and the last of them. */
export const batches = async ({ kills, size }: { kills: number; size: number }): Promise<string[]> => {
  const name = 'batches'
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const steps = 2
  try {
    const victim = await startVictim(site)
    await client.setUp(victim.url, { chain: chain(steps, { from: 10, to: 150 }) })
    const items = starts(seeded(name), size).map((start) => ({ start }))
    const ids = new Set<string>()
    const request = { items, max_concurrency: 50, labels }
    const insist = async () => {
      for (let answers = 0; answers < 3; ) {
        const path = `/run-batch/${collection}/chain`
        const id = (await client.postOnce(victim.url, path, request, 'once'))?.batch_id
        if (id) {
          ids.add(id)
          answers++
        }
        await pause(50)
      }
    }
    const clients = Promise.all([insist(), insist()])
    await victim.killOften(kills, (kill) => {
      const goal = (size * steps * (kill + 1)) / (kills + 1)
      return until(`${goal} effects`, () => site.traces('effects').length >= goal)
    })
    await clients
    await untilAllEnded(site)
    if (ids.size !== 1) faults.push(`one key led to the batches ${[...ids].join(', ')}`)
    const path = `/batches/${collection}/${[...ids][0]}`
    const { body: batch } = await client.call(victim.url, 'GET', path)
    if (batch.status !== 'completed' || batch.counts.completed !== size) faults.push(JSON.stringify(batch))
    const { body: lines } = await client.call(victim.url, 'GET', `${path}/results?format=csv`)
    const rows = (lines as string).trimEnd().split('\r\n').slice(1)
    if (rows.length !== size) faults.push(`${rows.length} results`)
    rows.forEach((row, at) => {
      const right = valueAfter(items[at]?.start ?? 0, steps - 1)
      if (!row.startsWith(`${at},`) || !row.split(',').includes(String(right))) faults.push(`result ${at} is ${row}`)
    })
    faults.push(...(await wrongRuns(site, items)))
    const report = await check(site, { acked: client.acked, lengths: { chain: steps }, lost: victim.pids })
    tell(name, report, { kills, size })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}

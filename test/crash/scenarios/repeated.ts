import { pause } from '../../../src/lib/time.ts'
import { check } from '../harness/checker.ts'
import { collection, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, untilAllEnded } from '../harness/storm.ts'
import { startVictim } from '../harness/victim.ts'

/** Clients that repeat a request until they have two answers get one run for it, whatever is killed meanwhile. */
export const repeated = async ({ kills, requests }: { kills: number; requests: number }): Promise<string[]> => {
  const name = 'repeated requests'
  const random = seeded(name)
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    const victim = await startVictim(site)
    await client.setUp(victim.url, { chain: chain(2) })
    const left = starts(random, requests).map((start, at) => ({ start, key: `request-${at}` }))
    let unanswered = 0
    const insist = async (key: string, start: number): Promise<void> => {
      const answers: string[] = []
      while (answers.length < 2) {
        const path = `/run/${collection}/chain`
        const id = (await client.postOnce(victim.url, path, { init_params: { start } }, key))?.trajectory_id
        if (id) answers.push(id)
        else unanswered += 1
        await pause(id ? random.between(0, 40) : 50)
      }
      if (answers[0] !== answers[1]) faults.push(`${key} led to the runs ${answers.join(' and ')}`)
      client.acked.push({ trajectoryId: answers[0] as string, task: 'chain', start })
    }
    const one = async () => {
      for (let next = left.shift(); next; next = left.shift()) await insist(next.key, next.start)
    }
    const clients = Promise.all(Array.from({ length: 8 }, one))
    await victim.killOften(kills, async (kill) => {
      const goal = (left.length * (kills - kill)) / (kills - kill + 1)
      while (left.length > goal) await pause(1)
    })
    await clients
    await untilAllEnded(site)
    const [row] = await site.rows<{ runs: number }>('select count(*)::int runs from runs where name = $1', [
      `${collection}/chain`,
    ])
    if (row?.runs !== requests) faults.push(`${requests} requests led to ${row?.runs} runs`)
    const report = await check(site, { acked: client.acked, lengths: { chain: 2 }, lost: victim.pids })
    tell(name, report, { requests, unanswered })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}

import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { startReceiver } from '../../webhook-receiver.ts'
import { collection, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite } from '../harness/site.ts'
import { until, untilAllEnded } from '../harness/storm.ts'

export interface WebhookKillsSize {
  runs: number
  /** Workers that are killed while deliveries are under way. */
  kills: number
}

const answerMs = 40
/** Longer than a claim lasts: what a dead process had claimed is due then. */
const jumpMs = 60_000
const concurrency = 16
/** What one collection may have under way, and may claim at a time, at both workers: the jump ends the claims of the other one too. */
const mostLost = 2 * ((2 * concurrency) / 4)

/**
 * Runs with webhooks over two workers that are killed while they execute and deliver. Every end is told, nothing
 * is on record that was not told, and only what was under way at a kill is told twice.
 */
export const webhookKills = async ({ runs, kills }: WebhookKillsSize): Promise<string[]> => {
  const random = seeded('webhooks')
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const receiver = await startReceiver((answer) => setTimeout(() => answer.writeHead(204).end(), answerMs))
  const clock = join(site.folder, 'clock')
  let now = Date.now()
  const jump = () => {
    now += jumpMs
    writeFileSync(`${clock}.new`, String(now))
    renameSync(`${clock}.new`, clock) // never half of a number
  }
  jump()
  const env = {
    CRASH_CLOCK: clock,
    JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1',
    JETTY_WEBHOOK_CONCURRENCY: String(concurrency),
    JETTY_WEBHOOK_TIMEOUT_SECONDS: '30', // the receiver is in this process, which may stand still
  }
  const spawn = () => site.spawn({ ...env, JETTY_ROLE: 'worker' })
  try {
    const url = await site.spawn({ ...env, JETTY_ROLE: 'api' }).ready
    await client.setUp(url, { told: { ...chain(2, { from: 0, to: 1 }), init_params: { start: 1 } } })
    const workers: ServerProcess[] = [spawn(), spawn()]
    await Promise.all(workers.map((worker) => worker.ready))
    const ids = new Set<string>()
    for (let at = 0; at < runs; at++) {
      const form = { webhook_url: receiver.url, webhook_secret: 'whsec-crash' }
      const { status, body } = await client.call(url, 'POST', `/run/${collection}/told`, form)
      if (status !== 200) throw new Error(`no run: ${JSON.stringify(body)}`)
      ids.add(body.trajectory_id)
    }
    for (let kill = 0; kill < kills; kill++) {
      const before = receiver.received.length
      if (before < ids.size) await until('more deliveries', () => receiver.received.length > before)
      await pause(random.between(0, answerMs))
      const at = random.between(0, 1)
      await workers[at]?.kill()
      workers[at] = spawn()
      jump()
    }
    await untilAllEnded(site)
    jump()
    await until('the end of all deliveries', async () => {
      const [row] = await site.rows<{ left: number }>('select count(*)::int as left from webhook_queue')
      return row?.left === 0
    })
    const attempts = await site.rows<{ id: string; delivered: number; failed: number }>(
      `select r.trajectory_id as id, count(*) filter (where delivered)::int as delivered,
         count(*) filter (where not delivered)::int as failed
       from runs r join webhook_attempts a on a.run_id = r.id group by 1`,
    )
    const twice = [...ids].filter((id) => receiver.of(id).length > 1).length
    console.log('webhooks:', JSON.stringify({ runs, kills, received: receiver.received.length, twice }))
    return [
      ...[...ids].filter((id) => receiver.of(id).length === 0).map((id) => `${id} was told to nobody`),
      ...attempts.filter((one) => one.failed > 0).map((one) => `${one.id} failed, with a receiver that takes all`),
      // Twice on record is no fault: for a live worker that is slow, the jump of the clock ends its claim as well.
      ...attempts
        .filter((one) => one.delivered > receiver.of(one.id).length)
        .map((one) => `${one.id} is on record as delivered ${one.delivered} times`),
      ...(attempts.length === ids.size ? [] : [`${ids.size - attempts.length} deliveries were not written down`]),
      ...(twice <= (kills + 1) * mostLost ? [] : [`${twice} were told twice, by ${kills} kills`]),
    ]
  } finally {
    await site.close()
    receiver.close()
    await database.drop()
  }
}

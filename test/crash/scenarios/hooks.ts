import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { hmac } from '../../integration/hooks/receiving.ts'
import { check } from '../harness/checker.ts'
import { collection, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite } from '../harness/site.ts'
import { tell, until, untilAllEnded } from '../harness/storm.ts'

export interface HookKillsSize {
  deliveries: number
  /** Servers that are killed while deliveries arrive and their runs start. */
  kills: number
}

/** Longer than a claim lasts: what a dead process had claimed is due then. */
const jumpMs = 130_000
const steps = 2
const sendersAtOnce = 8
const secret = 'hook-kills-signing-key'

/**
 * Deliveries of GitHub and Stripe to two servers that are killed again and again. A service sends each until it is
 * acknowledged, and every tenth once more. Each acknowledged delivery starts exactly one run, and each run is executed.
 */
export const hookKills = async ({ deliveries, kills }: HookKillsSize): Promise<string[]> => {
  const random = seeded('hooks')
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const clock = join(site.folder, 'clock')
  let now = Date.now()
  const jump = () => {
    now += jumpMs
    writeFileSync(`${clock}.new`, String(now))
    renameSync(`${clock}.new`, clock) // never half of a number
  }
  jump()
  const env = { CRASH_CLOCK: clock, CRASH_BEAT_MS: '100' }
  const servers: ServerProcess[] = [site.spawn(env), site.spawn(env)]
  const lost = new Set<number>()
  try {
    const urls = await Promise.all(servers.map((server) => server.ready))
    await client.setUp(urls[0] ?? '', { hooked: chain(steps, { from: 0, to: 5 }) })
    const paths: Record<string, string> = {}
    for (const sender of ['github', 'stripe'] as const) {
      const hook = { task: 'hooked', sender, secret, mapping: '{ "start": payload.start }' }
      const made = await client.call(urls[0] ?? '', 'POST', `/hooks/${collection}`, hook)
      if (made.status !== 201) throw new Error(`no hook: ${JSON.stringify(made.body)}`)
      paths[sender] = new URL(made.body.url).pathname
    }

    let acked = 0
    let unanswered = 0
    let duplicates = 0
    const faults: string[] = []
    /** Sends a delivery once; tells whether it was acknowledged. */
    const send = async (start: number): Promise<boolean> => {
      const sender = start % 2 === 0 ? 'github' : 'stripe'
      const text = JSON.stringify({ id: `evt_${start}`, type: 'made', start })
      const seconds = Math.floor(Date.now() / 1000)
      const headers: Record<string, string> =
        sender === 'github'
          ? { 'x-hub-signature-256': `sha256=${hmac(secret, text)}`, 'x-github-delivery': `d-${start}` }
          : { 'stripe-signature': `t=${seconds},v1=${hmac(secret, `${seconds}.${text}`)}` }
      const answer = await fetch(`${urls[random.between(0, 1)]}${paths[sender]}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-github-event': 'made', ...headers },
        body: text,
      })
        .then(async (response) => ({ status: response.status, text: await response.text() }))
        .catch(() => undefined)
      if (answer?.status === 200) {
        if (JSON.parse(answer.text).duplicate) duplicates++
        return true
      }
      if (answer && answer.status !== 503) faults.push(`delivery ${start} got ${answer.status}: ${answer.text}`)
      unanswered++
      return false
    }
    const left = Array.from({ length: deliveries }, (_, at) => at + 1)
    const service = async () => {
      for (let start = left.shift(); start !== undefined; start = left.shift()) {
        while (!(await send(start))) await pause(50)
        acked++
        while (start % 10 === 0 && !(await send(start))) await pause(50)
      }
    }
    const sending = Promise.all(Array.from({ length: sendersAtOnce }, service))
    sending.catch(() => {}) // awaited below
    for (let kill = 1; kill <= kills; kill++) {
      await until('more deliveries', () => acked >= (deliveries * kill) / (kills + 1), 300_000)
      await pause(random.between(0, 40))
      const at = random.between(0, 1)
      lost.add(servers[at]?.pid ?? 0)
      await servers[at]?.kill()
      servers[at] = site.spawn(env)
      jump()
      urls[at] = await servers[at].ready
    }
    await sending
    jump()
    await until('the start of all runs', async () => {
      const [row] = await site.rows<{ waiting: number }>(
        `select count(*)::int waiting from hook_deliveries where state = 'waiting'`,
      )
      return row?.waiting === 0
    })
    await untilAllEnded(site)

    const states = await site.rows<{ state: string; total: number; runs: number }>(
      `select d.state, count(*)::int total, count(r.id)::int runs
       from hook_deliveries d left join runs r on r.id = d.run_id group by 1`,
    )
    const runs = await site.rows<{ start: number; total: number }>(
      `select (init_params::json->>'start')::int "start", count(*)::int total
       from runs where author like 'hook:%' group by 1`,
    )
    const totals = new Map(runs.map(({ start, total }) => [start, total]))
    for (let start = 1; start <= deliveries; start++) {
      const total = totals.get(start) ?? 0
      if (total !== 1) faults.push(`delivery ${start} has ${total} runs`)
    }
    const [state, ...others] = states
    if (others.length > 0 || state?.state !== 'started' || state.total !== deliveries || state.runs !== deliveries) {
      faults.push(`deliveries are ${JSON.stringify(states)}`)
    }
    if (duplicates < deliveries / 10) faults.push(`${duplicates} were known, less than were sent again`)
    const report = await check(site, { acked: [], lengths: { hooked: steps }, lost })
    tell('hooks', report, { deliveries, kills, unanswered, duplicates })
    return [...faults, ...report.violations]
  } finally {
    await site.close()
    await database.drop()
  }
}

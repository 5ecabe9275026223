/** What open event streams cost a server in which nothing happens, against the same server without any. */

import type { WorkflowResponse } from '../src/model/runs/trajectory.ts'
import { openDatabase } from '../src/store/database/database.ts'
import { isQuick } from './lib/quick.ts'
import type { JettyServer } from './lib/server.ts'
import { stage } from './lib/stage.ts'
import { idleUsage, usageApart, usageRatios, withPostgres } from './lib/usage.ts'
import { watchStream } from './lib/watch-stream.ts'

const streams = 500
const rounds = 3
const seconds = isQuick ? 8 : 20

/** Runs that sleep for an hour: parked, they cost nothing themselves. */
const sleepers = async (server: JettyServer): Promise<string[]> => {
  const workflow = { step_configs: { nap: { activity: 'sleep', seconds: 3600 } }, steps: ['nap'] }
  await server.call('POST', '/api/v1/tasks/demo', { name: 'sleeper', workflow })
  const ids: string[] = []
  for (let at = 0; at < streams; at++) {
    const { text } = await server.call('POST', '/api/v1/run/demo/sleeper', {})
    ids.push((JSON.parse(text) as WorkflowResponse).trajectory_id)
  }
  return ids
}

await stage('streams', async ({ report, jetty, createDatabase, postgres }) => {
  const watched = await jetty({ environment: { DATABASE_URL: await createDatabase('watched') } })
  const alone = await jetty({ environment: { DATABASE_URL: await createDatabase('alone') } })
  const monitor = openDatabase((await postgres()).url, { connections: 1 })
  const ids = await sleepers(watched)
  await sleepers(alone)
  const open = await Promise.all(ids.map((id) => watchStream(watched, `trajectory/demo/sleeper/${id}/events`)))
  open.push(await watchStream(watched, 'collections/demo/events'))
  const lines = await idleUsage(
    monitor,
    [
      { name: `${open.length} streams`, database: 'watched', pid: watched.pid },
      { name: 'no stream', database: 'alone', pid: alone.pid },
    ],
    { rounds, seconds },
  )
  await monitor.close()
  for (const outgoing of open) outgoing.destroy()
  report.table(`idle, median of ${rounds} × ${seconds} s`, [
    ['', 'transactions/s', 'CPU with Postgres, % of a core'],
    ...lines.map(({ name, transactions, node, postgres: sessions }) => [name, transactions, node + sessions]),
  ])
  const [ours, peer] = lines
  if (!ours || !peer) return
  const more = (pick: Parameters<typeof usageApart>[2]) => usageApart(ours, peer, pick)
  report.figure('CPU to none', usageRatios(ours, peer, withPostgres), ' ×')
  report.aim(
    `transactions a second for ${open.length} streams`,
    more((one) => one.transactions),
    'at most',
    3,
  )
  report.aim(`CPU for ${open.length} streams`, more(withPostgres), 'at most', 2, ' % of a core')
})

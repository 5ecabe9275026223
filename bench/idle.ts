/** What an idle server costs: transactions and CPU, against DBOS idle with the same settings on the same Postgres. */
import { openDatabase } from '../src/database/database.ts'
import { stage } from './lib/stage.ts'
import { idleUsage } from './lib/usage.ts'

const rounds = 3
const seconds = 20

await stage('idle', async ({ report, jetty, child, createDatabase, postgres }) => {
  const own = await createDatabase('ours')
  const server = await jetty({ environment: { DATABASE_URL: own } })
  const same = await child('idle-dbos-process.ts', { BENCH_DATABASE_URL: await createDatabase('dbos_same') })
  const polling = await child('idle-dbos-process.ts', {
    BENCH_DATABASE_URL: await createDatabase('dbos_polling'),
    BENCH_POLLING: 'yes',
  })
  const monitor = openDatabase((await postgres()).url, { connections: 1 })
  const lines = await idleUsage(
    monitor,
    [
      { name: 'jetty', database: 'ours', pid: server.pid },
      { name: 'DBOS, same settings', database: 'dbos_same', pid: same.pid },
      { name: 'DBOS, polling its queue itself', database: 'dbos_polling', pid: polling.pid },
    ],
    { rounds, seconds },
  )
  await monitor.close()
  report.table(`idle, median of ${rounds} × ${seconds} s`, [
    ['', 'transactions/s', 'Node % of a core', 'its Postgres sessions %', 'together'],
    ...lines.map(({ name, transactions, node, postgres: sessions }) => [
      name,
      transactions,
      node,
      sessions,
      node + sessions,
    ]),
  ])
  const [ours, peer] = lines
  if (!ours || !peer) return
  report.aim('transactions to idle DBOS', ours.transactions / peer.transactions, 'at most', 1.5, '×')
  report.aim("the process's CPU to idle DBOS", ours.node / peer.node, 'at most', 1.5, '×')
  report.aim(
    'CPU with Postgres to idle DBOS',
    (ours.node + ours.postgres) / (peer.node + peer.postgres),
    'at most',
    1.5,
    '×',
  )
})

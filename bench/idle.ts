/** What an idle server costs: transactions and CPU, against idle DBOS on the same Postgres. */
import { openDatabase } from '../src/store/database/database.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'
import { idleUsage, usageRatios, withPostgres } from './lib/usage.ts'

const rounds = 3
const seconds = isQuick ? 8 : 20

await stage('idle', async ({ report, jetty, child, createDatabase, postgres }) => {
  const own = await createDatabase('ours')
  const server = await jetty({ environment: { DATABASE_URL: own } })
  const plain = await child('idle-dbos-process.ts', { BENCH_DATABASE_URL: await createDatabase('dbos_plain') })
  const queue = await child('idle-dbos-process.ts', {
    BENCH_DATABASE_URL: await createDatabase('dbos_queue'),
    BENCH_QUEUE: 'yes',
  })
  const monitor = openDatabase((await postgres()).url, { connections: 1 })
  const lines = await idleUsage(
    monitor,
    [
      { name: 'jetty', database: 'ours', pid: server.pid },
      { name: 'DBOS without a queue', database: 'dbos_plain', pid: plain.pid },
      { name: 'DBOS with a queue', database: 'dbos_queue', pid: queue.pid },
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
  const ratio = (pick: Parameters<typeof usageRatios>[2]) => usageRatios(ours, peer, pick)
  report.aim(
    'transactions to idle DBOS',
    ratio((one) => one.transactions),
    'at most',
    1.5,
    ' ×',
  )
  report.aim(
    "the process's CPU to idle DBOS",
    ratio((one) => one.node),
    'at most',
    1.5,
    ' ×',
  )
  report.aim('CPU with PostgreSQL to idle DBOS', ratio(withPostgres), 'at most', 1.5, ' ×')
})

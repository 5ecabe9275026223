/** What an idle server costs: transactions and CPU, against DBOS idle with the same settings on the same Postgres. */
import { openDatabase } from '../src/database/database.ts'
import { pause } from '../src/lib/time.ts'
import { median } from './lib/numbers.ts'
import { stage } from './lib/stage.ts'
import { type Usage, usageOf } from './lib/usage.ts'

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
  const watched = [
    { name: 'jetty', database: 'ours', pid: server.pid, usages: [] as Usage[] },
    { name: 'DBOS, same settings', database: 'dbos_same', pid: same.pid, usages: [] as Usage[] },
    { name: 'DBOS, polling its queue itself', database: 'dbos_polling', pid: polling.pid, usages: [] as Usage[] },
  ]
  await pause(10_000) // what a start leaves to do
  for (let round = 0; round < rounds; round++) {
    const before = await Promise.all(watched.map((one) => usageOf(monitor, one.database, one.pid)))
    await pause(seconds * 1000)
    const after = await Promise.all(watched.map((one) => usageOf(monitor, one.database, one.pid)))
    watched.forEach(({ usages }, at) => {
      const [from, to] = [before[at] as Usage, after[at] as Usage]
      usages.push({
        transactions: (to.transactions - from.transactions) / seconds,
        nodeCpu: ((to.nodeCpu - from.nodeCpu) / seconds) * 100,
        postgresCpu: ((to.postgresCpu - from.postgresCpu) / seconds) * 100,
      })
    })
  }
  await monitor.close()
  const lines = watched.map(({ name, usages }) => {
    const of = (pick: (usage: Usage) => number) => median(usages.map(pick))
    return {
      name,
      transactions: of((one) => one.transactions),
      node: of((one) => one.nodeCpu),
      postgres: of((one) => one.postgresCpu),
    }
  })
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

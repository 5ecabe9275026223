/** A run of 20,000 steps: its last thousand against its first. */
import { openDatabase } from '../src/database/database.ts'
import { median } from './lib/numbers.ts'
import { stage } from './lib/stage.ts'

const steps = 20_000
const chunk = 1_000
const block = 50
const rounds = 3

await stage('long', async ({ report, child, createDatabase }) => {
  const url = await createDatabase('long')
  const engine = await child('engine-process.ts', { BENCH_DATABASE_URL: url })
  const database = openDatabase(url, { connections: 1 })
  await engine.ask('latency', { steps: 2_000, count: 1 }) // warm

  const thousands = steps / chunk
  const blocks = Array.from({ length: thousands }, (): number[] => [])
  for (let round = 0; round < rounds; round++) {
    await engine.ask('latency', { steps, count: 1 })
    const rows = await database.query<{ ms: number }>(
      `select extract(epoch from ended_at - lag(ended_at, 1, started_at) over (order by seq))::float8 * 1000 as ms
       from steps where run_id = (select id from runs order by number desc limit 1) and (seq + 1) % $1 = 0 order by seq`,
      [block],
    )
    if (rows.length !== steps / block) throw new Error(`${rows.length} blocks of the run, not ${steps / block}`)
    for (const [at, row] of rows.entries()) blocks[Math.floor(at / (chunk / block))]?.push(row.ms / block)
  }
  await database.close()
  const times = blocks.map(median)
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  report.table(`a run of ${steps} steps: median of the blocks of ${block} steps in ${rounds} runs`, [
    ['thousand', 'ms a step', 'to the first'],
    ...times.map((one, at) => [String(at + 1), one, one / first]),
  ])
  report.aim('last thousand steps to the first', last / first, 'at most', 1.2, '×')
})

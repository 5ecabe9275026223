/** A run of 20,000 steps: its last thousand against its first. */
import { openDatabase } from '../src/store/database/database.ts'
import { median, parts, ratios } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const steps = 20_000
const chunk = 1_000
const block = 50
const rounds = isQuick ? 2 : 3

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
  const [first = 0] = times
  report.table(`a run of ${steps} steps: median of the blocks of ${block} steps in ${rounds} runs`, [
    ['thousand', 'ms a step', 'to the first'],
    ...times.map((one, at) => [String(at + 1), one, one / first]),
  ])
  const ofRounds = (samples: number[] = []) => parts(samples, rounds).map(median)
  const grown = ratios(ofRounds(blocks.at(-1)), ofRounds(blocks[0]))
  report.aim(`a run of ${steps} steps: its last thousand to its first`, grown, 'at most', 1.2, ' ×')
})

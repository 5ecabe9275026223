/**
 * One-step children, started by list_emit_await and gathered by extract_from_trajectories, beside bare DBOS children on
 * the same Postgres in the same run.
 */

import { pause } from '../src/lib/time.ts'
import type { WorkflowResponse } from '../src/model/runs/trajectory.ts'
import { openDatabase } from '../src/store/database/database.ts'
import type { Child } from './lib/children.ts'
import { median } from './lib/numbers.ts'
import { peakResidentMb } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import type { JettyServer } from './lib/server.ts'
import { type Stage, stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const small = 1_000
const middle = 10_000
const large = isQuick ? 20_000 : 100_000
const rounds = isQuick ? 2 : 3
const concurrency = 1_000

const fanWorkflow = {
  init_params: { items: [] },
  step_configs: {
    fan: {
      activity: 'list_emit_await',
      items_path: 'init_params.items',
      item_param_name: 'text',
      child_workflow_name: 'echo',
      max_concurrency: concurrency,
    },
    gather: {
      activity: 'extract_from_trajectories',
      trajectory_list_path: 'fan.outputs.trajectory_references',
      extract_keys: { text: 'echo_0.outputs.text' },
    },
  },
  steps: ['fan', 'gather'],
}

interface Ended {
  status: string
  error: string | null
  ms: number
  gathered: number
}

/** A server with the two tasks, and what runs one fan-out of a size. */
const startOurs = async ({ jetty, createDatabase }: Stage) => {
  const url = await createDatabase('fanout')
  const environment = { DATABASE_URL: url, JETTY_MAX_FANOUT: String(large), JETTY_MAX_INIT_PARAMS_BYTES: '8MiB' }
  const server: JettyServer = await jetty({ environment })
  await server.call('POST', '/api/v1/tasks/demo', { name: 'echo', workflow: echoWorkflow(1) })
  await server.call('POST', '/api/v1/tasks/demo', { name: 'fan', workflow: fanWorkflow })
  const database = openDatabase(url, { connections: 1 })

  /** Milliseconds from its acceptance to its end, as recorded. */
  const fanOut = async (count: number): Promise<number> => {
    const items = Array.from({ length: count }, (_, index) => `item-${index}`)
    const { text } = await server.call('POST', '/api/v1/run/demo/fan', { init_params: { items } })
    const id = (JSON.parse(text) as WorkflowResponse).trajectory_id
    for (;;) {
      const [ended] = await database.query<Ended>(
        `select status, error, extract(epoch from ended_at - created_at)::float8 * 1000 ms,
           (select (coalesce(s.outputs, p.body)::json->>'count')::int from steps s
            left join payloads p on p.id = s.outputs_payload where s.run_id = r.id and s.name = 'gather') gathered
         from runs r where trajectory_id = $1 and ended_at is not null`,
        [id],
      )
      if (ended && (ended.status !== 'completed' || ended.gathered !== count)) throw new Error(JSON.stringify(ended))
      if (ended) return ended.ms
      await pause(50)
    }
  }
  return { server, fanOut, close: () => database.close() }
}

const dbosFanOut = (dbos: Child, count: number): Promise<number> => dbos.ask<number>('fanOut', { count })

await stage(
  'fanout',
  async (given) => {
    const { report, child, createDatabase } = given
    const dbos = await child('dbos-process.ts', { BENCH_DATABASE_URL: await createDatabase('dbos') })
    const { server, fanOut, close } = await startOurs(given)
    await fanOut(small) // both are warm
    await dbosFanOut(dbos, 200)
    const smallOurs: number[] = []
    const middleOurs: number[] = []
    for (let round = 0; round < rounds; round++) {
      smallOurs.push(await fanOut(small))
      middleOurs.push(await fanOut(middle))
    }
    const smallDbos = await dbosFanOut(dbos, small)
    const middleDbos = await dbosFanOut(dbos, middle)
    const largeOurs = await fanOut(large)
    const peakMb = peakResidentMb(server.pid)
    await close()

    const rowOf = (count: number, ours: number, peer: number): (string | number)[] => [
      count.toLocaleString('en-US'),
      ours,
      (count / ours) * 1000,
      peer,
      ours / peer,
    ]
    report.table('children: ms from acceptance to the end of the parent', [
      ['children', 'ours', 'children/s', 'DBOS', 'ratio'],
      rowOf(small, median(smallOurs), smallDbos),
      rowOf(middle, median(middleOurs), middleDbos),
      rowOf(large, largeOurs, Number.NaN),
    ])
    const growth = smallOurs.map((ms) => largeOurs / large / (ms / small))
    const largest = large.toLocaleString('en-US')
    report.aim(
      '10,000 children, time to bare DBOS',
      middleOurs.map((ms) => ms / middleDbos),
      'at most',
      0.03,
      ' ×',
    )
    report.aim(`time for a child, ${largest} children to 1,000`, growth, 'at most', 1.3, ' ×')
    report.aim(`memory of the server with ${largest} children`, peakMb, 'at most', 350, ' MB')
  },
  { longestSeconds: 580 },
)

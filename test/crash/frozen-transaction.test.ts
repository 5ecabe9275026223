import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { type Database, openDatabase } from '../../src/store/database/database.ts'
import { writeLabels } from '../../src/store/runs/labels.ts'
import { startTestServer, type TestServer } from '../server.ts'

let jetty: TestServer
let frozen: Database
beforeAll(async () => {
  jetty = await startTestServer()
  frozen = openDatabase(jetty.database.url, { connections: 1 })
})
afterAll(async () => {
  await frozen?.close()
  await jetty?.close()
})

test('a process that freezes while it labels a run holds the run up for a few seconds only', async () => {
  const napping = { nap: { activity: 'sleep', seconds: 0.5 }, say: { activity: 'text_echo', text: randomUUID() } }
  const task = await jetty.task({ step_configs: napping, steps: ['nap', 'say'] })
  const { trajectory_id } = await jetty.start(task)
  const [run] = await jetty.server.database.query<{ id: string }>('select id from runs where trajectory_id = $1', [
    trajectory_id,
  ])
  const labelling = frozen.transaction(async (queries) => {
    await writeLabels(queries, [
      { runId: run?.id ?? '', key: 'grade', value: 'good', author: 'me', recordedBy: 'admin' },
    ])
    await pause(9_000)
    await queries.query('select 1')
  })
  const refused = expect(labelling).rejects.toMatchObject({ code: 'database_unavailable' })
  const ended = await jetty.until(task, trajectory_id, ({ status }) => status === 'completed')
  expect(ended.labels).toEqual([])
  await refused
})

import fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openRecordLane, type RecordLane } from '../../../src/engine/records/record-lane.ts'
import { newRunKey, newTrajectoryId } from '../../../src/lib/ids.ts'
import { createLogger } from '../../../src/lib/log.ts'
import type { RecordDestination } from '../../../src/model/gateway/recorded-call.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { definitionHash, taskForRecords } from '../../../src/store/tasks/tasks.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { type FrailDatabase, openFrailDatabase } from '../../frail-database.ts'

const workflow = '{"init_params":{},"step_configs":{"completion":{"activity":"litellm_chat"}},"steps":["completion"]}'

const real = fs.fdatasync
const setSync = (sync: unknown): void => {
  fs.fdatasync = sync as typeof real
  syncBuiltinESMExports()
}

let created: TestDatabase
let frail: FrailDatabase
let database: Database
let folder: string
let lane: RecordLane
let record: () => Promise<RecordDestination>

beforeEach(async () => {
  created = await createTestDatabase()
  frail = await openFrailDatabase(created.url)
  database = openDatabase(frail.url, { connections: 2 })
  const [made] = await database.query<{ id: number }>("insert into collections (name) values ('acme') returning id")
  const collectionId = made?.id ?? 0
  const taskId = (await taskForRecords(database, { collectionId, name: '_chat', workflow }))?.id ?? 0
  folder = await mkdtemp(join(tmpdir(), 'jetty-spill-'))
  const log = createLogger({ level: 'silent' })
  const calls = { folder, maxBytes: 1e9, mode: 'sync' as const }
  lane = openRecordLane({ database, shard: 80, calls, log, patienceMs: 60_000 })
  record = () =>
    lane.record({
      key: newRunKey(),
      trajectoryId: newTrajectoryId(),
      collectionId,
      taskId,
      name: 'acme/_chat',
      workflow,
      definition: definitionHash(workflow),
      author: 'someone',
      environmentId: null,
      status: 'completed',
      error: null,
      model: 'openai/m',
      initParams: { text: '{"model":"m"}', payload: null },
      step: { name: 'completion', inputs: '{}', outputs: '{"text":"hello"}', error: null },
      files: [],
      costUsd: null,
      usd: 0.25,
      tokens: 10,
      startedMs: Date.now() - 20,
      endedMs: Date.now(),
    })
  setSync((_: number, done: (error: Error) => void) => setImmediate(done, new Error('EIO: i/o error, fdatasync')))
})
afterEach(async () => {
  setSync(real)
  frail.heal()
  await lane.close()
  await database.close()
  await frail.close()
  await created.drop()
  await rm(folder, { recursive: true })
})

it('a disk that fails to sync makes calls wait for the database, which has them', async () => {
  expect(await record()).toBe('committed')
  expect(new Set(await Promise.all(Array.from({ length: 30 }, record)))).toEqual(new Set(['committed']))
  expect(await database.query('select count(*)::int as total from runs')).toEqual([{ total: 31 }])
  setSync(real)
  expect(await record()).toBe('logged')
})

it('it refuses calls while the database is away', async () => {
  await record()
  frail.cut()
  await expect(record()).rejects.toThrow('EIO')
  await expect(record()).rejects.toThrow('EIO')
})

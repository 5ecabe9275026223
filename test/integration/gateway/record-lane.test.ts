import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openRecordLane, type RecordLane } from '../../../src/engine/records/record-lane.ts'
import { newRunKey, newTrajectoryId, runKeysSince } from '../../../src/lib/ids.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { pause } from '../../../src/lib/time.ts'
import type { CallLogMode, RecordedCall } from '../../../src/model/gateway/recorded-call.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { keepPayload, requestPayload, sweepRequestPayloads } from '../../../src/store/runs/payloads.ts'
import { definitionHash, taskForRecords } from '../../../src/store/tasks/tasks.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { type FrailDatabase, openFrailDatabase } from '../../frail-database.ts'
import { wrongTotals } from '../../kept-totals.ts'

const workflow = '{"init_params":{},"step_configs":{"completion":{"activity":"litellm_chat"}},"steps":["completion"]}'
const log = createLogger({ level: 'silent' })

let created: TestDatabase
let asked: Database
let frail: FrailDatabase
let reached: Database
let folder: string
let lane: RecordLane
let collectionId: number
let taskId: number

beforeAll(async () => {
  created = await createTestDatabase()
  asked = openDatabase(created.url, { connections: 2 })
  frail = await openFrailDatabase(created.url)
})
afterAll(async () => {
  await asked?.close()
  await frail?.close()
  await created?.drop()
})

/** What a machine that stands still for seconds does not make it lose, unless a test is about that. */
const patient = { patienceMs: 60_000 }
const openLane = (maxBytes = 1e9, patience: { patienceMs?: number } = patient, mode: CallLogMode = 'commit') =>
  openRecordLane({ database: reached, shard: 80, calls: { folder, maxBytes, mode }, log, ...patience })

beforeEach(async () => {
  const [made] = await asked.query<{ id: number }>(
    `insert into collections (name) values ('c${Math.random()}') returning id`,
  )
  collectionId = made?.id ?? 0
  taskId = (await taskForRecords(asked, { collectionId, name: '_chat', workflow }))?.id ?? 0
  folder = await mkdtemp(join(tmpdir(), 'jetty-spill-'))
  reached = openDatabase(frail.url, { connections: 2 })
  lane = openLane()
})
afterEach(async () => {
  frail.heal()
  await lane.close()
  await reached.close()
  await rm(folder, { recursive: true })
})

const callOf = (more: Partial<RecordedCall> = {}): RecordedCall => ({
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
  costUsd: 0.25,
  usd: 0.25,
  tokens: 10,
  startedMs: Date.now() - 20,
  endedMs: Date.now(),
  ...more,
})

const rowsNow = () =>
  asked.query<{ id: string; status: string; outputs: string; task_id: number; trajectory_id: string }>(
    `select r.id, r.status, r.task_id, r.trajectory_id, coalesce(s.outputs, p.body) outputs
     from runs r join steps s on s.run_id = r.id left join payloads p on p.id = s.outputs_payload
     where r.collection_id = ${collectionId} order by r.number`,
  )

const spentNow = async () => {
  const sums = `select sum(usd)::text usd, sum(tokens)::int tokens from spending where collection_id = ${collectionId}`
  return (await asked.query<{ usd: string; tokens: number }>(sums))[0]
}

const until = async (satisfied: () => Promise<boolean>) => {
  for (let tries = 0; tries < 1_500 && !(await satisfied()); tries++) await pause(20)
}

const recordMany = (count: number, more: Partial<RecordedCall> = {}) =>
  Promise.all(Array.from({ length: count }, () => lane.record(callOf(more))))

const filesOf = async () => (await readdir(folder)).filter((name) => name.endsWith('.calls'))

describe('recording calls', () => {
  it('writes each once, with its step, what it counts for and what it cost', async () => {
    const call = callOf()
    expect(await lane.record(call)).toBe('committed')
    expect(await lane.record(call)).toBe('committed')
    const failed = await recordMany(130, { status: 'failed', usd: null, tokens: null })
    expect(new Set(failed)).toEqual(new Set(['committed']))
    const rows = await rowsNow()
    expect(rows).toHaveLength(131)
    expect(rows[0]).toMatchObject({ id: call.key, status: 'completed', outputs: '{"text":"hello"}' })
    expect(await spentNow()).toEqual({ usd: '0.25', tokens: 10 })
    expect(await wrongTotals(asked.query)).toEqual([])
    const [counted] = await asked.query(`select sum(total)::int total from run_counts where task_id = ${taskId}`)
    expect(counted).toEqual({ total: 131 })
  })

  it('puts large values beside, once however often they are sent, and files', async () => {
    const text = JSON.stringify({ text: 'x'.repeat(100_000) })
    const kind = { name: 'a.png', contentType: 'image/png', size: 3, sha256: 'a' }
    const file = { path: `p${Math.random()}`, object: 'o', ...kind }
    const call = callOf({ initParams: { text, payload: null }, files: [file] })
    call.step.outputs = text
    await Promise.all([lane.record(call), lane.record(callOf())])
    await lane.record(call)
    expect((await rowsNow()).find(({ id }) => id === call.key)?.outputs).toBe(text)
    const payloads = await asked.query(`select from payloads where run_id = '${call.key}'`)
    expect(payloads).toHaveLength(2)
    expect(await asked.query(`select run_id, size::int from files where path = '${file.path}'`)).toEqual([
      { run_id: call.key, size: 3 },
    ])
  })

  it('makes the task anew where it was deleted, and lets calls go with their collection', async () => {
    await asked.query(`delete from tasks where id = ${taskId}`)
    expect(await recordMany(3)).toEqual(['committed', 'committed', 'committed'])
    const rows = await rowsNow()
    expect(rows).toHaveLength(3)
    expect(new Set(rows.map((row) => row.task_id)).size).toBe(1)
    expect(rows[0]?.task_id).not.toBe(taskId)
    await asked.query(`delete from collections where id = ${collectionId}`)
    expect(await lane.record(callOf())).toBe('committed')
    expect(await rowsNow()).toHaveLength(3)
  })

  it('draws another trajectory id where the one that was told is taken', async () => {
    const first = callOf()
    await lane.record(first)
    await lane.record(callOf({ trajectoryId: first.trajectoryId }))
    const rows = await rowsNow()
    expect(new Set(rows.map((row) => row.trajectory_id)).size).toBe(2)
  })

  it('writes texts that JSON in Postgres cannot hold', async () => {
    const call = callOf({ error: 'a\0b \ud800', status: 'failed', model: 'openai/\ud800' })
    expect(await lane.record(call)).toBe('committed')
    const rows = await asked.query(`select error from runs where id = '${call.key}'`)
    expect(rows).toEqual([{ error: 'a\\0b \ufffd' }])
  })

  it('refuses one that Postgres cannot take, and not its neighbours', async () => {
    const bad = callOf({ collectionId: 2 ** 70 })
    const all = await Promise.allSettled([lane.record(callOf()), lane.record(bad), lane.record(callOf())])
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})

it('requests whose call was never recorded are removed after a day', async () => {
  const dayMs = 86_400_000
  const keyOf = (days: number) => `${runKeysSince(Date.now() - days * dayMs)}${newRunKey().slice(13)}`
  const [lost, recorded, fresh] = [keyOf(2), keyOf(2), keyOf(0.5)]
  await lane.record(callOf({ key: recorded }))
  for (const key of [lost, recorded, fresh]) await keepPayload(asked, key, '{}', requestPayload(key))
  await keepPayload(asked, lost, '{}', 'another')
  await sweepRequestPayloads(asked)
  const left = await asked.query<{ id: string }>(
    `select id from payloads where run_id = any('{${[lost, recorded, fresh]}}')`,
  )
  expect(left.map(({ id }) => id).sort()).toEqual([requestPayload(recorded), requestPayload(fresh), 'another'].sort())
})

describe('while the database is away', () => {
  it('keeps calls in a file and brings them once it answers', async () => {
    await lane.record(callOf())
    frail.cut()
    const large = JSON.stringify({ text: 'y'.repeat(100_000) })
    const call = callOf({ initParams: { text: large, payload: null } })
    expect(await lane.record(call)).toBe('spilled')
    expect(lane.now).toBe('spilled')
    expect(new Set(await recordMany(200))).toEqual(new Set(['spilled']))
    frail.heal()
    await until(async () => (await rowsNow()).length === 202 && lane.statistics.spillBytes === 0)
    expect([(await rowsNow()).length, await filesOf()]).toEqual([202, []])
    expect(lane.now).toBe('committed')
    expect(lane.statistics).toEqual({ recorded: 1, spilled: 201, replayed: 201, spillBytes: 0 })
    expect(await spentNow()).toEqual({ usd: '50.50', tokens: 2020 })
    expect(await wrongTotals(asked.query)).toEqual([])
  })

  it('does not wait for one that is frozen, and writes nothing twice when it thaws', async () => {
    await lane.close()
    lane = openLane(1e9, {})
    await lane.record(callOf())
    frail.freeze()
    const begun = performance.now()
    expect(await lane.record(callOf())).toBe('spilled')
    expect(performance.now() - begun).toBeLessThan(20_000) // it is frozen until this is over
    expect(await lane.record(callOf())).toBe('spilled')
    frail.heal()
    await until(async () => (await rowsNow()).length === 3 && (await filesOf()).length === 0)
    expect(await rowsNow()).toHaveLength(3)
    expect(await spentNow()).toEqual({ usd: '0.75', tokens: 30 })
  })

  it('writes what ends faster than Postgres takes it to Postgres all the same, and takes no new calls meanwhile', async () => {
    await lane.close()
    lane = openLane(40e6)
    const outputs = JSON.stringify({ text: 'x'.repeat(2_000_000) })
    const recording = recordMany(30, { step: { ...callOf().step, outputs } })
    expect(lane.now).toBe('full')
    expect(new Set(await recording)).toEqual(new Set(['committed']))
    expect([lane.now, lane.statistics.spilled]).toEqual(['committed', 0])
  })

  it('takes no new calls when the file is full, and still writes down what had begun', async () => {
    await lane.close()
    lane = openLane(5_000)
    frail.cut()
    await recordMany(30)
    expect(lane.now).toBe('full')
    expect(await lane.record(callOf())).toBe('spilled')
    frail.heal()
    await until(async () => (await rowsNow()).length === 31)
    expect(await rowsNow()).toHaveLength(31)
  })

  it('finds what an earlier process has left, sets damaged lines aside and brings all others', async () => {
    frail.cut()
    await recordMany(10)
    await lane.close()
    const [file = ''] = await filesOf()
    const bytes = await readFile(join(folder, file))
    const second = bytes.indexOf(10) + 1
    bytes[second + 40] = (bytes[second + 40] ?? 0) ^ 1 // a bit of the second line
    await writeFile(join(folder, file), bytes.subarray(0, -30)) // and the end of the last
    frail.heal()
    lane = openLane()
    await until(async () => (await rowsNow()).length === 8 && (await filesOf()).length === 0)
    expect(await rowsNow()).toHaveLength(8)
    expect((await readdir(folder)).sort()).toEqual(['set-aside.lines'])
    const aside = await readFile(join(folder, 'set-aside.lines'), 'utf8')
    expect(aside.trim().split('\n')).toHaveLength(2)
  })

  it('brings lines in the form of versions before this one', async () => {
    const call = callOf({ initParams: { text: JSON.stringify({ text: 'x'.repeat(100_000) }), payload: null } })
    const json = JSON.stringify(call)
    const line = `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
    await writeFile(join(folder, `${'0'.repeat(12)}-nobody-${'0'.repeat(12)}-former.calls`), line)
    await lane.close()
    lane = openLane()
    await until(async () => (await rowsNow()).length === 1 && (await filesOf()).length === 0)
    expect(await rowsNow()).toMatchObject([{ id: call.key, outputs: call.step.outputs }])
  })

  it('loses nothing when it comes and goes', async () => {
    const recorded: Promise<unknown>[] = []
    for (let round = 0; round < 6; round++) {
      for (let at = 0; at < 30; at++) {
        recorded.push(lane.record(callOf()))
        await pause(1)
      }
      round % 2 === 0 ? frail.cut() : frail.heal()
    }
    frail.heal()
    await Promise.all(recorded)
    await until(async () => (await rowsNow()).length === 180 && (await filesOf()).length === 0)
    expect([(await rowsNow()).length, await spentNow()]).toEqual([180, { usd: '45.00', tokens: 1800 }])
    expect(await wrongTotals(asked.query)).toEqual([])
  })
})

describe.each(['log', 'sync'] as const)('the mode %s', (mode) => {
  beforeEach(async () => {
    await lane.close()
    lane = openLane(1e9, patient, mode)
  })

  it('answers before Postgres has the call, and tells readers when it has', async () => {
    frail.freeze()
    const call = callOf()
    expect(await lane.record(call)).toBe('logged')
    expect(new Set(await recordMany(130))).toEqual(new Set(['logged']))
    expect(await rowsNow()).toEqual([])
    const settled = lane.settled()
    frail.heal()
    await settled
    expect(await rowsNow()).toHaveLength(131)
    expect(await spentNow()).toEqual({ usd: '32.75', tokens: 1310 })
    expect(lane.statistics).toEqual({ recorded: 131, spilled: 0, replayed: 0, spillBytes: 0 })
    await until(async () => lane.settled() === undefined)
  })

  it('can wait for the commit of one call', async () => {
    expect(await lane.record(callOf(), 'commit')).toBe('committed')
    expect(await rowsNow()).toHaveLength(1)
  })

  it('brings what a killed process has logged, and nothing that was committed and deleted since', async () => {
    const gone = callOf()
    await lane.record(gone, 'commit')
    await asked.query(`delete from runs where id = '${gone.key}'`)
    frail.freeze()
    await recordMany(20)
    const copy = await mkdtemp(join(tmpdir(), 'jetty-killed-'))
    const [file = ''] = await filesOf()
    await writeFile(join(copy, file.replace(`-${process.pid}-`, '-nobody-')), await readFile(join(folder, file)))
    frail.cut() // nothing of it reaches Postgres from here on
    await lane.close()
    await rm(folder, { recursive: true })
    folder = copy
    frail.heal()
    lane = openLane(1e9, patient, mode)
    await until(async () => (await rowsNow()).length === 20 && (await filesOf()).length === 0)
    expect(await rowsNow()).toHaveLength(20)
    expect(await filesOf()).toEqual([])
  })

  it('sets aside what Postgres refuses after the answer, and not its neighbours', async () => {
    const bad = callOf({ collectionId: 2 ** 70 })
    await Promise.all([lane.record(callOf()), lane.record(bad), lane.record(callOf())])
    await lane.settled()
    expect(await rowsNow()).toHaveLength(2)
    await until(async () => (await readdir(folder)).includes('set-aside.lines'))
    expect(await readFile(join(folder, 'set-aside.lines'), 'utf8')).toContain(bad.key)
  })

  it('keeps a request while its call is under way, and reads it from its file when memory is short', async () => {
    frail.freeze()
    const text = JSON.stringify({ text: 'x'.repeat(3_000_000) })
    const all = Array.from({ length: 5 }, () => callOf())
    for (const call of all) {
      const payload = (await lane.keepRequest(call.key, Buffer.from(`${text.slice(0, -1)}\n}`))) ?? null
      expect(payload).not.toBeNull()
      expect(await lane.record({ ...call, initParams: { text: null, payload } })).toBe('logged')
    }
    frail.heal()
    await lane.settled()
    const found = await asked.query<{ body: string }>(
      `select body from runs r join payloads p on p.id = r.init_params_payload where r.collection_id = ${collectionId}`,
    )
    expect(found.map(({ body }) => JSON.parse(body) as unknown)).toEqual(all.map(() => JSON.parse(text)))
  })

  it('goes on while the database is away, and leaves no file behind', async () => {
    await lane.record(callOf())
    frail.cut()
    await recordMany(100)
    await until(async () => lane.now === 'spilled')
    expect(await lane.record(callOf())).toBe('spilled')
    frail.heal()
    await until(async () => (await rowsNow()).length === 102 && lane.statistics.spillBytes === 0)
    expect(await rowsNow()).toHaveLength(102)
    expect(lane.now).toBe('logged')
    await lane.close()
    expect(await filesOf()).toEqual([])
    lane = openLane(1e9, patient, mode)
  })

  it('waits for the commit once much is on its way', async () => {
    await lane.close()
    lane = openLane(16e6, patient, mode)
    const outputs = JSON.stringify({ text: 'x'.repeat(2_000_000) })
    const all = await recordMany(8, { step: { ...callOf().step, outputs } })
    expect(all.filter((where) => where === 'committed').length).toBeGreaterThan(0)
    expect(all.filter((where) => where === 'logged').length).toBeGreaterThan(0)
  })

  it('loses nothing when the database comes and goes', async () => {
    for (let round = 0; round < 6; round++) {
      for (let at = 0; at < 30; at++) {
        await lane.record(callOf())
        await pause(1)
      }
      round % 2 === 0 ? frail.cut() : frail.heal()
    }
    frail.heal()
    await until(async () => (await rowsNow()).length === 180 && lane.statistics.spillBytes === 0)
    expect(await rowsNow()).toHaveLength(180)
    expect(await spentNow()).toEqual({ usd: '45.00', tokens: 1800 })
    const wrong = await wrongTotals(asked.query) // a test above deletes a run behind the back of its totals
    expect(wrong.filter((line) => line.startsWith(`task ${taskId},`))).toEqual([])
  })
})

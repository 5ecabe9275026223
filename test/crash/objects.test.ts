// Objects in a folder and in a bucket, while those who store, copy and sweep them are killed.
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDiskObjects } from '../../src/store/objects/disk.ts'
import type { ObjectStore } from '../../src/store/objects/objects.ts'
import { compiledProgram } from '../compiled.ts'
import { type FakeS3, startFakeS3 } from '../fakes/s3.ts'
import { openS3 } from '../objects/open-s3.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { seeded } from './harness/random.ts'

const kills = Number(process.env.JETTY_OBJECT_KILLS ?? 8)
const copied = Number(process.env.JETTY_COPY_OBJECTS ?? 1_000)
const identity = { installation: 'one', origin: '1/1/1' }
const partBytes = 64 * 1024
const random = seeded('objects')

let fake: FakeS3
let folder: string
beforeAll(async () => {
  fake = await startFakeS3({ leastPartBytes: partBytes })
  folder = mkdtempSync(join(tmpdir(), 'jetty-objects-'))
})
afterAll(async () => {
  await fake?.close()
  rmSync(folder, { recursive: true, force: true })
})

const hashOf = async (store: ObjectStore, id: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of (await store.open(id)).stream) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

/** Runs a program until it has printed so many lines, and kills it some time after that; returns its whole lines. */
const untilKilled = async (args: string[], least: number, ms: [number, number]): Promise<string[]> => {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  const lines = () => text.split('\n').slice(0, -1)
  const ended = once(child, 'close')
  const isEnough = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
      if (lines().length >= least) resolve()
    })
  })
  await Promise.race([isEnough, ended])
  await Promise.race([delay(random.between(...ms)), ended])
  child.kill('SIGKILL')
  await ended
  return lines()
}

describe.each(['disk', 's3'] as const)('a writer that is killed: %s', (kind) => {
  it('leaves every object that it called stored, whole, and nothing readable beside', {
    timeout: 600_000,
  }, async () => {
    const place = join(folder, 'writers')
    const store =
      kind === 's3'
        ? openS3(fake, identity, { partBytes: () => partBytes }).store
        : await openDiskObjects(place, async () => identity)
    const program = compiledProgram('test/crash/harness/object-writer')
    const args = kind === 's3' ? [fake.location, fake.accessKeyId, fake.secretAccessKey] : [place]
    const stored = new Map<string, string>()
    for (let kill = 0; kill < kills; kill++) {
      const lines = await untilKilled([program, ...args], random.between(2, 12), [0, 200])
      for (const [id = '', , sha256 = ''] of lines.slice(1).map((line) => line.split(' '))) stored.set(id, sha256)
    }
    expect(stored.size).toBeGreaterThan(kills)
    for (const [id, sha256] of stored) expect([id, await hashOf(store, id)]).toEqual([id, sha256])
    const there =
      kind === 's3'
        ? [...fake.objects.keys()].filter((key) => key.startsWith('jetty/objects/'))
        : readdirSync(join(place, 'objects'), { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    // What was complete when its writer was killed may be there without having been called stored: four writers at a time.
    expect(there.length - stored.size).toBeGreaterThanOrEqual(0)
    expect(there.length - stored.size).toBeLessThanOrEqual(4 * kills)
    if (kind === 'disk') return
    fake.clockMs = 2 * 86_400_000
    const open = fake.uploads.size
    expect(await openS3(fake, identity).store.sweepTemporary()).toBe(open)
    expect(fake.uploads.size).toBe(0)
    fake.clockMs = 0
  })
})

it('no object of a bucket is lost, however often those who look for orphans are killed', {
  timeout: 600_000,
}, async () => {
  const { store } = openS3(fake, identity)
  const ids: string[] = []
  for (let n = 0; n < 50; n++) ids.push((await store.put(Buffer.from(`object ${n}`), { maxBytes: 1000 })).id)
  fake.clockMs = 2 * 86_400_000 // all of them are older than a day
  const parts = [...new Set(ids.map((id) => String(Number.parseInt(id.slice(0, 2), 16))))]
  const program = compiledProgram('test/crash/harness/object-sweeper')
  const args = [program, fake.location, fake.accessKeyId, fake.secretAccessKey, ...parts]
  for (let kill = 0; kill < kills; kill++) {
    await Promise.all([1, 2].map(() => untilKilled(args, 1, [50, 500])))
    for (const [n, id] of ids.entries())
      expect(fake.objects.get(`jetty/objects/${id.slice(0, 2)}/${id}`)?.bytes.toString()).toBe(`object ${n}`)
  }
  const named = async (some: string[]) => new Set(some)
  for (const part of parts) await store.sweepUnnamed({ part: Number(part), days: 30, named })
  const marks = [...fake.objects.keys()].filter(
    (key) => key.startsWith('jetty/unnamed/') && ids.includes(key.split('/').at(-1) ?? ''),
  )
  expect(marks).toEqual([])
  fake.clockMs = 0
})

describe('jetty storage copy', () => {
  let jetty: TestServer
  beforeAll(async () => {
    jetty = await startTestServer({ env: { JETTY_ROLE: 'api' } })
  })
  afterAll(() => jetty?.close())

  /** Objects as a server has stored them, without waiting for the disk at each. */
  const fill = async (): Promise<Map<string, string>> => {
    const objects = new Map<string, string>()
    for (let n = 0; n < copied; n++) {
      const id = randomUUID()
      const leaf = join(jetty.dataDir, 'files/objects', id.slice(0, 2), id.slice(2, 4))
      mkdirSync(leaf, { recursive: true })
      writeFileSync(join(leaf, id), `object ${id}`)
      objects.set(id, createHash('sha256').update(`object ${id}`).digest('hex'))
    }
    await jetty.server.database.query(
      `insert into files (path, collection_id, object, name, content_type, size, sha256)
       select 'acme/sandbox_uploads/u/' || u.id, c.id, u.id, u.id, 'text/plain', octet_length('object ' || u.id), u.hash
       from collections c, unnest($1::text[], $2::text[]) u(id, hash) where c.name = 'acme'`,
      [[...objects.keys()], [...objects.values()]],
    )
    return objects
  }

  it(`of ${copied} objects goes on where it was killed, three times`, { timeout: 600_000 }, async () => {
    const objects = await fill()
    const env = { ...fake.env, DATABASE_URL: jetty.database.url, JETTY_DATA_DIR: jetty.dataDir, HOME: folder }
    const args = [compiledProgram('src/bin'), 'storage', 'copy', '--from', 'disk', '--to', fake.location, '--json']
    const here = () => [...fake.objects.keys()].filter((key) => objects.has(key.split('/').at(-1) ?? ''))
    const seen: number[] = []
    const begun = performance.now()
    for (let kill = 1; kill <= 3; kill++) {
      const child = spawn(process.execPath, args, { stdio: 'ignore', env: { ...process.env, ...env } })
      const ended = once(child, 'close')
      const enough = Math.floor((copied * kill) / 4)
      while (here().length < enough && child.exitCode === null) await delay(5)
      child.kill('SIGKILL')
      await ended
      seen.push(here().length)
    }
    expect(seen[2]).toBeLessThan(copied)
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    expect(await once(child, 'close')).toEqual([0, null])
    const result = JSON.parse(text)
    const seconds = Math.round((performance.now() - begun) / 100) / 10
    console.log('storage copy', JSON.stringify({ objects: copied, seen, seconds, ...result }))
    expect(result).toMatchObject({ missing: [], damaged: [] })
    expect(result.resumed_after).not.toBe('')
    expect(result.copied).toBeLessThan(copied - (seen[2] ?? 0) + 250) // at most a page again
    expect(here()).toHaveLength(copied)
    for (const key of here()) {
      const hash = createHash('sha256')
        .update(fake.objects.get(key)?.bytes ?? '')
        .digest('hex')
      expect(hash).toBe(objects.get(key.split('/').at(-1) ?? ''))
    }
  })
})

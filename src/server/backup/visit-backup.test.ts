import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { tarEnd, tarEntry } from '../../lib/files/archives.ts'
import { endName, listEntry, manifestName, objectEntry, tableEntry } from './manifest.ts'
import type { ObjectFolder } from './object-folder.ts'
import { openBackup } from './open-backup.ts'
import { checkBackup, countRows, visitBackup } from './visit-backup.ts'

type Entry = [name: string, body: string | Buffer]

const id = randomUUID()
const manifest = {
  format: 1,
  id: randomUUID(),
  version: '0',
  begun_at: new Date(0).toISOString(),
  migrations: ['0001_start'],
  secret_key_id: null,
  has_secret_key: false,
  has_files: true,
  tables: [{ name: 'runs', columns: ['id'] }],
}
const end = {
  taken_at: new Date(0).toISOString(),
  rows: { runs: 2 },
  sequences: [],
  objects: 1,
  object_bytes: 5,
  deleted: [],
  lost: [],
  damaged: [],
}
const head: Entry = [manifestName, JSON.stringify(manifest)]
const rows: Entry = [tableEntry('runs', 0), gzipSync('a\nb\n')]
const object: Entry = [objectEntry(id), 'bytes']
const listed = (line: string): Entry => [listEntry(0), gzipSync(line)]

const packed = async (entries: Entry[]): Promise<Buffer> => {
  const parts: Uint8Array[] = []
  for (const [name, body] of entries) {
    const bytes = Buffer.from(body)
    for await (const part of tarEntry(name, bytes.length, [bytes])) parts.push(part)
  }
  return Buffer.concat(parts)
}

/** A backup of these entries with the end that fits, and what comes after it. */
const backupOf = async (entries: Entry[], after: Entry[] = []): Promise<Buffer> => {
  const before = await packed(entries)
  const sha256 = createHash('sha256').update(before).digest('hex')
  return Buffer.concat([before, await packed([[endName, JSON.stringify({ ...end, sha256 })], ...after]), tarEnd()])
}

const folderWith = (body: string): ObjectFolder => ({
  has: async () => true,
  put: async () => {},
  async *open() {
    yield Buffer.from(body)
  },
  remove: async () => {},
  sync: async () => {},
  async *ids() {},
})

const check = async (bytes: Buffer, folder?: ObjectFolder) =>
  checkBackup(await openBackup(Readable.from([bytes], { objectMode: false }), undefined, folder), () => {})

it('verifies rows, objects and the hash', async () => {
  expect(await check(await backupOf([head, rows, object]))).toMatchObject({ objects: 1, rows: { runs: 2 } })
  const line = `${id}\t5\t${createHash('sha256').update('bytes').digest('hex')}\n`
  expect(await check(await backupOf([head, rows, listed(line)]), folderWith('bytes'))).toMatchObject({ objects: 1 })
})

it.each<[string, Entry[], Entry[], string]>([
  [
    'a manifest that is no JSON',
    [[manifestName, '{'], rows, object],
    [],
    'has a format that this version does not know',
  ],
  ['a path for an object', [head, rows, ['objects/../../etc/passwd', 'x']], [], 'objects/../../etc/passwd is unknown'],
  ['the folder above for a call', [head, ['spill/..', 'x'], rows, object], [], 'spill/.. is unknown'],
  ['a path for a call', [head, ['spill/../secret-key', 'x'], rows, object], [], 'spill/../secret-key is unknown'],
  ['too few rows', [head, [tableEntry('runs', 0), gzipSync('a\n')], object], [], 'has 1 rows, and not 2'],
  ['rows that are not packed', [head, [tableEntry('runs', 0), 'a\nb\n'], object], [], 'cannot be unpacked'],
  ['a table after the files', [head, object, rows], [], 'is in the wrong place'],
  ['an object after the end', [head, rows, object], [[objectEntry(id), 'other']], `${id} comes after its end`],
  ['a list without a folder', [head, rows, listed(`${id}\t5\t\\N\n`)], [], 'name the backup there'],
])('refuses %s', async (_, entries, after, said) => {
  await expect(backupOf(entries, after).then((bytes) => check(bytes))).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(said),
  })
})

it.each([
  ['longer ones', `${id}\t5\t\\N\n`, 'bytes and more', 'has other bytes'],
  ['shorter ones', `${id}\t5\t\\N\n`, 'byte', 'has other bytes'],
  ['others', `${id}\t5\t${'0'.repeat(64)}\n`, 'bytes', 'has other bytes'],
  ['those of a path', `../../etc/passwd\t5\t\\N\n`, 'bytes', 'a line that names none'],
])('refuses a folder whose object has %s', async (_, line, body, said) => {
  const bytes = await backupOf([head, rows, listed(line)])
  await expect(check(bytes, folderWith(body))).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(said),
  })
})

it('goes on without an object that the folder does not have whole, for a visitor who wants the others', async () => {
  const bytes = await backupOf([head, rows, listed(`${id}\t5\t\\N\n`)])
  const unreadable: string[] = []
  const source = Readable.from([bytes], { objectMode: false })
  const end = await visitBackup(await openBackup(source, undefined, folderWith('byte')), {
    secretKey: async () => {},
    spill: async () => {},
    table: async (_, chunks) => countRows(chunks),
    tablesEnd: async () => {},
    object: async (_, __, body) => void (await text(body)),
    unreadable: (one) => void unreadable.push(one),
    settled: async () => {},
  })
  expect([end.objects, unreadable]).toEqual([1, [id]])
})

it('refuses a backup that ends early, and one whose end is no JSON', async () => {
  const whole = await backupOf([head, rows, object])
  await expect(check(whole.subarray(0, whole.length - 1536))).rejects.toMatchObject({ code: 'invalid' })
  const bytes = Buffer.concat([await packed([head, rows, object, [endName, '{']]), tarEnd()])
  await expect(check(bytes)).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('its end') })
})

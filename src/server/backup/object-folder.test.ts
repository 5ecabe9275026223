import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openBackupAt } from './backup-files.ts'
import type { ObjectCounts } from './dump-objects.ts'
import { openObjectFolder, storeInFolder } from './object-folder.ts'
import { checkBackup } from './visit-backup.ts'

const [right, wrong] = ['0e2d2b2c-6c5e-4d1c-9b57-0a3c9d1f2e11', '1e2d2b2c-6c5e-4d1c-9b57-0a3c9d1f2e11']
const sha256 = createHash('sha256').update('bytes').digest('hex')

let path: string
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'jetty-folder-'))
})
afterEach(() => rm(path, { recursive: true, force: true }))

/** Stores two objects; the storage has other bytes of one of them than the database says. */
const store = async (passphrase: string | undefined) => {
  const folder = await openObjectFolder(path, passphrase, true)
  const list = join(path, 'list')
  await writeFile(list, `${right}\t5\t${sha256}\n${wrong}\t5\t${sha256}\n`)
  const counts: ObjectCounts = { objects: 0, bytes: 0, copied: 0, deleted: [], lost: [], damaged: [] }
  const open = async (id: string) => ({
    stream: Readable.from([Buffer.from(id === right ? 'bytes' : 'other')]),
    size: 5,
  })
  const signal = new AbortController().signal
  const dump = { objects: { open }, list, isNamed: async () => true, onProgress: () => {}, signal }
  const lines = []
  for await (const line of storeInFolder(dump, folder, counts)) lines.push(line.toString())
  return { counts, lines, folder }
}

it('names a damaged object in each backup, and keeps nothing of it that a restore would refuse', async () => {
  for (const copied of [1, 0]) {
    const { counts, lines } = await store(undefined)
    expect(counts).toMatchObject({ objects: 1, copied, damaged: [wrong] })
    expect(lines).toEqual([`${right}\t5\t${sha256}\n`])
  }
  const files = (await readdir(join(path, 'objects'), { recursive: true })).filter((name) => name.includes('-'))
  expect(files).toEqual([join('0e', right)])
  expect((await stat(join(path, 'objects/0e', right))).mode & 0o777).toBe(0o600)
})

it('opens an object when its bytes are read, and not before', async () => {
  const { folder } = await store('a passphrase of this test')
  expect(await text(folder.open(right))).toBe('bytes')
  await rm(join(path, 'objects'), { recursive: true })
  folder.open(right)
  for (let looks = 0; looks < 10; looks++) await stat(path) // a file that is opened at once would end the process meanwhile
  await expect(text(folder.open(right))).rejects.toMatchObject({ code: 'ENOENT' })
})

it('reads a folder whose backups were encrypted before age, and adds objects to it', async () => {
  const old = 'correct horse battery staple'
  await cp('test/integration/server/old-backups', path, { recursive: true })
  const check = async () => checkBackup(await openBackupAt(path, old), () => {})
  expect(await check()).toMatchObject({ objects: 1, rows: { runs: 2 } })
  await rm(join(path, 'objects/0e'), { recursive: true })
  await expect(check()).rejects.toThrow('is missing')
  await store(old)
  expect((await readFile(join(path, 'objects/0e', right), 'latin1')).slice(0, 21)).toBe('age-encryption.org/v1')
  expect(await check()).toMatchObject({ objects: 1, rows: { runs: 2 } })
  await expect(openBackupAt(path, 'another passphrase')).rejects.toThrow('does not fit')
})

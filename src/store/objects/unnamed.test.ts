import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openDiskObjects } from './disk.ts'
import type { ObjectStore } from './objects.ts'
import { partsOfStore } from './unnamed.ts'

const maxBytes = 1_000_000
const longAgo = new Date(Date.now() - 100 * 86_400_000)

let folder: string
let objects: ObjectStore
let named: Set<string>
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-objects-'))
  await writeFile(join(folder, 'databases'), `one ${longAgo.toISOString()}\n`)
  objects = await openDiskObjects(folder, async () => ({ installation: 'one', origin: '1/1/1' }))
  named = new Set()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const place = (id: string) => join(folder, 'objects', id.slice(0, 2), id.slice(2, 4), id)
const aside = (id: string) => join(folder, 'unnamed', id.slice(0, 2), id)
const age = (path: string, days: number) => {
  const at = new Date(Date.now() - days * 86_400_000)
  return utimes(path, at, at)
}
const put = async (days: number): Promise<string> => {
  const { id } = await objects.put(Buffer.from('kept'), { maxBytes })
  await age(place(id), days)
  return id
}
const read = async (id: string) => text((await objects.open(id)).stream)
const ask = async (ids: string[]) => new Set(ids.filter((id) => named.has(id)))

const all = Array.from({ length: partsOfStore }, (_, part) => part)

/** A whole round, or some parts. */
const sweep = async (days = 7, store = objects, parts = all) => {
  const total = { setAside: 0, restored: 0, removed: 0 }
  for (const part of parts) {
    const swept = await store.sweepUnnamed({ part, days, named: ask })
    if (!swept) return undefined
    for (const key of ['setAside', 'restored', 'removed'] as const) total[key] += swept[key]
  }
  return total
}
const nothing = { setAside: 0, restored: 0, removed: 0 }

it('sets aside what nobody has named for a day, where it opens as before, and removes it some days later', async () => {
  const [young, old, kept] = [await put(0.9), await put(1.1), await put(50)]
  named.add(kept)
  expect(await sweep()).toEqual({ ...nothing, setAside: 1 })
  expect([existsSync(place(young)), existsSync(place(old)), existsSync(place(kept))]).toEqual([true, false, true])
  expect([await read(young), await read(old), await read(kept)]).toEqual(['kept', 'kept', 'kept'])
  expect(await sweep()).toEqual(nothing) // the days are counted from then on
  await age(aside(old), 6.9)
  expect(await sweep()).toEqual(nothing)
  await age(aside(old), 7.1)
  expect(await sweep()).toEqual({ ...nothing, removed: 1 })
  await expect(objects.open(old)).rejects.toMatchObject({ code: 'not_found' })
  expect([await read(young), await read(kept)]).toEqual(['kept', 'kept'])
})

it('brings back what is named after all, however late, and removes what is deleted meanwhile', async () => {
  const [late, deleted] = [await put(2), await put(2)]
  expect(await sweep()).toEqual({ ...nothing, setAside: 2 })
  await age(aside(late), 30)
  named.add(late)
  await objects.remove([deleted])
  expect(await sweep()).toEqual({ ...nothing, restored: 1 })
  expect([existsSync(place(late)), existsSync(aside(deleted))]).toEqual([true, false])
  expect(await read(late)).toBe('kept')
})

it('touches no upload that is under way', async () => {
  const upload = new Readable({ read() {} })
  const stored = objects.put(upload, { maxBytes })
  upload.push('ke')
  await expect.poll(() => readdir(join(folder, 'tmp'))).toHaveLength(1)
  expect(await sweep(1)).toEqual(nothing)
  upload.push('pt')
  upload.push(null)
  expect(await read((await stored).id)).toBe('kept')
})

it('leaves alone what is older than the note of whose folder it is, and a folder that two databases have had', async () => {
  const id = await put(101)
  expect(await sweep()).toEqual(nothing)
  await age(place(id), 99)
  const other = await openDiskObjects(folder, async () => ({ installation: 'two', origin: '1/1/1' }))
  expect([await sweep(), await sweep(7, other)]).toEqual([undefined, undefined])
  await openDiskObjects(folder, async () => ({ installation: 'one', origin: '1/1/1' }))
  const notes = (await readFile(join(folder, 'databases'), 'utf8')).trim().split('\n')
  expect(notes.map((line) => line.split(' ')[0])).toEqual(['one', 'one', 'two']) // the first one by an older version
  await writeFile(join(folder, 'databases'), `one ${longAgo.toISOString()}`)
  await appendFile(join(folder, 'databases'), 'one 2026') // a note that was cut off, and one behind it
  expect(await sweep()).toBeUndefined()
  expect(await read(id)).toBe('kept')
})

it('may be done by several at the same time, and reads go on', async () => {
  const ids = await Promise.all(Array.from({ length: 12 }, () => put(2)))
  const stray = join(folder, 'objects', 'ab', 'cd')
  await mkdir(stray, { recursive: true })
  await writeFile(join(stray, 'notes.txt'), 'of somebody else')
  await age(join(stray, 'notes.txt'), 50)
  const beside = await openDiskObjects(folder, async () => ({ installation: 'one', origin: '1/1/1' }))
  const parts = ['ab', ...ids].map((name) => Number.parseInt(name.slice(0, 2), 16))
  for (let round = 0; round < 4; round++) {
    named = new Set(round % 2 === 1 ? ids : [])
    let sweeping = true
    const both = Promise.all([sweep(7, objects, parts), sweep(7, beside, parts)]).finally(() => {
      sweeping = false
    })
    while (sweeping) expect(await Promise.all(ids.map(read))).toEqual(ids.map(() => 'kept'))
    await both
    expect(ids.filter((id) => existsSync(round % 2 === 1 ? place(id) : aside(id)))).toHaveLength(ids.length)
    for (const id of ids) if (round % 2 === 1) await age(place(id), 2)
  }
  expect(existsSync(join(stray, 'notes.txt'))).toBe(true)
  await expect(objects.open(randomUUID())).rejects.toMatchObject({ code: 'not_found' })
})

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { thisProcess } from './owner.ts'
import { removeLeftClaims, takeUserSlot } from './user-slot.ts'

let folder: string
let first = 800_000
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'user-slots-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A claim that a process has left which is not there any more. */
const leaveClaim = (uid: number) => {
  const { pid } = spawnSync('true')
  writeFileSync(join(folder, `${uid}.${pid}-00.json`), JSON.stringify({ ...thisProcess(), pid, startedAt: '1' }))
}

it('many at once get an id each, also where dead ones had them', async () => {
  first += 1_000
  for (const uid of [first, first + 1, first + 2, first + 7]) leaveClaim(uid)
  const slots = await Promise.all(Array.from({ length: 20 }, () => takeUserSlot(folder, first)))
  expect(new Set(slots.map(({ uid }) => uid)).size).toBe(20)
  for (const { release } of slots) release()
  expect(readdirSync(folder)).toEqual([])
})

it('what a process has left that was killed while it made its claim is removed, and what one makes right now is not', async () => {
  first += 1_000
  const [old, young] = [`${first}.7-0a.json.7-0b`, `${first}.8-0c.json.8-0d`].map((name) => join(folder, name))
  for (const draft of [old, young]) writeFileSync(draft as string, '')
  utimesSync(old as string, 1, 1)
  const slot = await takeUserSlot(folder, first)
  expect(slot.uid).toBe(first)
  slot.release()
  expect(readdirSync(folder)).toEqual([basename(young as string)])
  rmSync(young as string)
})

it('one that is given back is given again', async () => {
  first += 1_000
  const one = await takeUserSlot(folder, first)
  const two = await takeUserSlot(folder, first)
  expect([one.uid, two.uid]).toEqual([first, first + 1])
  one.release()
  const three = await takeUserSlot(folder, first)
  expect(three.uid).toBe(first)
  for (const { release } of [two, three]) release()
})

it('one that is kept stays claimed, and is the next one of this process', async () => {
  first += 1_000
  const one = await takeUserSlot(folder, first)
  const claim = readdirSync(folder)
  one.keep()
  expect(readdirSync(folder)).toEqual(claim)
  expect((await takeUserSlot(folder, first + 1)).uid).toBe(first + 1)
  const two = await takeUserSlot(folder, first)
  expect([two.uid, readdirSync(folder).filter((name) => name.startsWith(`${first}.`))]).toEqual([first, claim])
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  two.keep() // whoever has removed the claim may have the id
  const three = await takeUserSlot(folder, first)
  expect([three.uid, readdirSync(folder)]).not.toEqual([first, claim])
  three.release()
})

it('claims of processes that are gone are removed, and no others', async () => {
  first += 1_000
  leaveClaim(first + 3)
  const slot = await takeUserSlot(folder, first)
  const kept = await takeUserSlot(folder, first)
  kept.keep()
  await removeLeftClaims(folder)
  const uids = readdirSync(folder).map((name) => Number(name.split('.')[0]))
  expect(uids.sort()).toEqual([slot.uid, kept.uid])
  slot.release()
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  await removeLeftClaims(join(folder, 'missing'))
})

it('ids that something runs under, or that have a name, are nobody’s', async () => {
  const own = process.getuid?.() ?? 0
  const slot = await takeUserSlot(folder, own)
  expect(slot.uid).not.toBe(own)
  slot.release()
})

it.runIf(process.getuid?.() === 0)('one whose last process is a zombie that nobody collects is free', async () => {
  first += 1_000
  const script = `setpriv --reuid ${first} --clear-groups sh -c 'echo $$' & exec sleep 600`
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const [said] = await once(parent.stdout, 'data')
    const state = () => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${Number(said)}/status`, 'utf8'))?.[1]
    await vi.waitUntil(() => state() === 'Z', { timeout: 20_000 })
    const slot = await takeUserSlot(folder, first)
    slot.release()
    expect(slot.uid).toBe(first)
  } finally {
    parent.kill('SIGKILL')
  }
})

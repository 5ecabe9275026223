import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { processWorld, startTimeOf } from '../../lib/living-process.ts'
import { adminTokenOf, prepareDataFolder, secretKeysOf } from './data-folder.ts'
import { lockDataFolder } from './data-folder-lock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the data folder', () => {
  it('is made for its owner alone', () => {
    const path = prepareDataFolder(join(folder, 'a', 'b'))
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  it('must be a folder', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect(() => prepareDataFolder(file)).toThrow(`The data folder ${file} cannot be used`)
  })

  it('keeps one admin token and one key, readable by the owner alone', () => {
    expect(adminTokenOf(folder)).toBe(adminTokenOf(folder))
    expect(adminTokenOf(folder).length).toBeGreaterThanOrEqual(43)
    expect(secretKeysOf(folder)).toEqual(secretKeysOf(folder))
    expect(secretKeysOf(folder)[0]).toHaveLength(32)
    expect(readdirSync(folder).sort()).toEqual(['admin-token', 'secret-key'])
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
  })

  it('names a key file that holds no key', () => {
    writeFileSync(join(folder, 'secret-key'), 'short')
    expect(() => secretKeysOf(folder)).toThrow('secret-key must be 32 bytes')
  })
})

describe('the lock of the data folder', () => {
  const lockFile = () => join(folder, 'lock')
  const write = (holder: object) => writeFileSync(lockFile(), JSON.stringify(holder))
  const me = () => ({ pid: process.pid, startedAt: startTimeOf(process.pid), world: processWorld() })

  it('is held by one, and free again after its release', async () => {
    const lock = await lockDataFolder(folder)
    await expect(lockDataFolder(folder)).rejects.toThrow(`Another server (process ${process.pid})`)
    lock.release()
    ;(await lockDataFolder(folder)).release()
    expect(readdirSync(folder)).toEqual([])
  })

  it.each([
    ['a process that is gone', { pid: 2 ** 22 + 1 }],
    ['a process whose pid has a new owner', { startedAt: 'before' }],
  ])('of %s is replaced', async (_, change) => {
    write({ ...me(), ...change })
    const lock = await lockDataFolder(folder)
    expect(JSON.parse(readFileSync(lockFile(), 'utf8'))).toMatchObject(me())
    lock.release()
  })

  const hasFlock = spawnSync('flock', ['--version']).status === 0

  it.skipIf(!hasFlock)(
    `lets no second one in when its file is lost${hasFlock ? '' : ' (skipped: no flock)'}`,
    async () => {
      const lock = await lockDataFolder(folder)
      rmSync(lockFile())
      await expect(lockDataFolder(folder)).rejects.toThrow('Another server')
      await expect.poll(() => existsSync(lockFile())).toBe(true) // and the holder writes it again
      lock.release()
      ;(await lockDataFolder(folder)).release()
    },
  )

  it('that another one has taken is noticed by its holder', async () => {
    const lock = await lockDataFolder(folder)
    write({ ...me(), pid: 4321 })
    expect(await lock.lost).toMatchObject({
      code: 'conflict',
      message: `Another server (process 4321) has taken the data folder ${folder}`,
    })
    lock.release()
    expect(existsSync(lockFile())).toBe(true)
  })

  it('that cannot be read is replaced', async () => {
    writeFileSync(lockFile(), 'half')
    ;(await lockDataFolder(folder)).release()
  })

  it('of another container counts as long as it is touched', async () => {
    write({ ...me(), world: 'another' })
    const touch = setInterval(() => utimesSync(lockFile(), new Date(), new Date()), 200)
    await expect(lockDataFolder(folder)).rejects.toThrow('Another server')
    clearInterval(touch)
    vi.useFakeTimers()
    try {
      const locking = lockDataFolder(folder)
      await vi.advanceTimersByTimeAsync(20_000)
      ;(await locking).release()
    } finally {
      vi.useRealTimers()
    }
  })

  it('of another container counts though whoever wants it stands still for long', async () => {
    write({ ...me(), world: 'another' })
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const locking = lockDataFolder(folder)
      vi.setSystemTime(Date.now() + 60_000)
      utimesSync(lockFile(), new Date(), new Date())
      await expect(locking).rejects.toThrow('Another server')
    } finally {
      vi.useRealTimers()
    }
  })
})

import { createHash } from 'node:crypto'
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { processWorld, startTimeOf } from '../../lib/living-process.ts'
import { createLogFile, openCallLog } from './call-log.ts'

type Done = (error: Error | null) => void

const real = fs.fdatasync
/** Calls of `fdatasync` that have not returned. */
let underWay: Done[]
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-log-file-'))
  underWay = []
  fs.fdatasync = ((_: number, done: Done) => void underWay.push(done)) as typeof fs.fdatasync
  syncBuiltinESMExports()
})
afterEach(() => {
  fs.fdatasync = real
  syncBuiltinESMExports()
  rmSync(folder, { recursive: true })
})

const turn = () => new Promise((resolve) => setImmediate(resolve))
const answer = async (error: Error | null) => {
  underWay.shift()?.(error)
  await turn()
}
const line = Buffer.from('a line\n')
const how = (sync: Promise<void>): Promise<string> =>
  sync.then(
    () => 'synced',
    (error) => String(error),
  )

it('lines that are appended during a sync share the next one', async () => {
  const file = createLogFile(folder, join(folder, 'a.calls'))
  file.append(line)
  const syncs = [how(file.sync())]
  file.append(line)
  syncs.push(how(file.sync()), how(file.sync()))
  expect(underWay).toHaveLength(1)
  await answer(null)
  expect([underWay.length, file.isSafe]).toEqual([1, false])
  await answer(null)
  expect([await Promise.all(syncs), file.isSafe]).toEqual([Array(3).fill('synced'), true])
  file.close()
})

it('a sync that failed fails the later ones too: the system may have dropped their lines with its own', async () => {
  const file = createLogFile(folder, join(folder, 'a.calls'))
  file.append(line)
  const syncs = [how(file.sync())]
  file.append(line)
  syncs.push(how(file.sync()))
  await answer(new Error('EIO'))
  await answer(null)
  syncs.push(how(file.sync()))
  expect([await Promise.all(syncs), file.isBroken]).toEqual([Array(3).fill('Error: EIO'), true])
  file.close()
})

it('the next line after a failed sync goes to a new file', async () => {
  const calls = openCallLog(folder)
  const first = calls.append(line)
  const failed = how(calls.sync(first))
  await answer(new Error('EIO'))
  expect(await failed).toBe('Error: EIO')
  const second = calls.append(line)
  expect(second.file).not.toBe(first.file)
  calls.drain(first) // Postgres has it
  const synced = calls.sync(second)
  await answer(null)
  await synced
  calls.drain(second)
  await calls.close()
})

it('a file that is closed before its lines are synced is synced first', async () => {
  const file = createLogFile(folder, join(folder, 'a.calls'))
  file.append(line)
  file.close()
  const synced = how(file.sync())
  expect(underWay).toHaveLength(1)
  await answer(null)
  expect(await synced).toBe('synced')
})

it('a file from before a restart of the machine is read, also if its process had our pid and start time', async () => {
  const hashed = (text = '') => createHash('sha256').update(text).digest('hex').slice(0, 12)
  const name = `${hashed(processWorld())}-${process.pid}-${hashed(startTimeOf(process.pid))}-0-0.calls`
  writeFileSync(join(folder, name), line)
  const calls = openCallLog(folder)
  expect(await calls.take()).toHaveLength(1)
  await calls.close()
})

import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type CallLog, openCallLog } from '../../../src/engine/records/call-log.ts'

/** Files of this process end here: the disk is full for it, in the middle of a line. */
const limitFiles = (bytes: number | 'unlimited') =>
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`])

const lineOf = (letter: string): Buffer => Buffer.from(`${letter.repeat(300_000)}\n`)

let folder: string
let calls: CallLog
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-calls-'))
  calls = openCallLog(folder)
})
afterEach(async () => {
  limitFiles('unlimited')
  await calls.close()
  await rm(folder, { recursive: true })
})

/** First letters of the lines that can be read, and how long each is. */
const readable = async () => {
  const found: [string, number][] = []
  for (const file of await calls.take()) {
    for await (const line of calls.lines(file)) found.push([line.toString('latin1', 0, 1), line.length])
  }
  return found
}

it('a disk that is full keeps what was written down, and nothing of what was not', async () => {
  limitFiles(1_000_000)
  const letters = ['a', 'b', 'c', 'd', 'e']
  const written = letters.filter((letter) => {
    try {
      calls.leave(calls.append(lineOf(letter)))
      return true
    } catch {
      return false
    }
  })
  expect(written).toEqual(['a', 'b', 'c', 'e']) // the next file has room again
  expect(await readable()).toEqual(written.map((letter) => [letter, 300_000]))
  expect(await readdir(folder)).toHaveLength(2)
})

it('leaves no file behind where not even its first line finds room', async () => {
  limitFiles(5)
  expect(() => calls.append(lineOf('a'))).toThrow('EFBIG')
  expect(await readdir(folder)).toEqual([])
})

it('reads from the first line that was not drained, and removes a file that was drained as a whole', async () => {
  const places = ['a', 'b', 'c'].map((letter) => calls.append(lineOf(letter)))
  for (const place of places.slice(0, 2)) calls.drain(place)
  for (const place of places.slice(2)) calls.leave(place)
  expect(await readable()).toEqual([['c', 300_000]])
  const rest = Array.from({ length: 30 }, () => calls.append(lineOf('d')))
  expect(await readdir(folder)).toHaveLength(3)
  rest.forEach(calls.drain)
  expect(await readdir(folder)).toHaveLength(2)
})

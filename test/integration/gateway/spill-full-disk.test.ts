import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openSpill, type Spill } from '../../../src/engine/records/spill.ts'

/** Files of this process end here: the disk is full for it, in the middle of a line. */
const limitFiles = (bytes: number | 'unlimited') =>
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`])

const lineOf = (letter: string): Buffer => Buffer.from(`${letter.repeat(300_000)}\n`)

let folder: string
let spill: Spill
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-spill-'))
  spill = openSpill(folder)
})
afterEach(async () => {
  limitFiles('unlimited')
  await spill.close()
  await rm(folder, { recursive: true })
})

/** First letters of the lines that can be read, and how long each is. */
const readable = async () => {
  const found: [string, number][] = []
  for (const file of await spill.take()) {
    for await (const line of spill.lines(file)) found.push([line.toString('latin1', 0, 1), line.length])
  }
  return found
}

it('a disk that is full keeps what was written down, and nothing of what was not', async () => {
  limitFiles(1_000_000)
  const letters = ['a', 'b', 'c', 'd', 'e']
  const written = []
  for (const letter of letters) {
    const isWritten = await spill.append(lineOf(letter)).then(
      () => true,
      () => false,
    )
    if (isWritten) written.push(letter)
  }
  expect(written).toEqual(['a', 'b', 'c', 'e']) // the next file has room again
  expect(await readable()).toEqual(written.map((letter) => [letter, 300_000]))
  expect(await readdir(folder)).toHaveLength(2)
})

it('says what was written of many that came at once', async () => {
  limitFiles(1_000_000)
  const settled = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((letter) => spill.append(lineOf(letter))))
  const written = settled.filter(({ status }) => status === 'fulfilled').length
  expect(await readable()).toHaveLength(written)
  expect(spill.waitingBytes).toBe(0)
})

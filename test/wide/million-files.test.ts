import { existsSync, linkSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { walkResults } from '../../src/sandbox/isolation/files/walk-results.ts'
import { removeTree } from '../../src/sandbox/isolation/run-folder.ts'

const mebibyte = 1024 ** 2

test('a results folder of a million files: their names are not held in memory, and it is the same ones each time', async () => {
  const folder = mkdtempSync(existsSync('/dev/shm') ? '/dev/shm/walk-' : join(tmpdir(), 'walk-'))
  try {
    const many = join(folder, 'many')
    mkdirSync(many)
    writeFileSync(join(folder, 'summary.md'), 'done')
    for (let count = 0; count < 1_000_000; count += 1) linkSync(join(folder, 'summary.md'), join(many, `${count}`))
    const walk = async () => {
      const told: string[] = []
      for await (const walked of walkResults(folder, { files: 50, bytes: 1000 }))
        told.push(walked.kind === 'file' ? walked.path : walked.message)
      return told
    }
    const before = process.memoryUsage().rss
    const told = await walk()
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * mebibyte)
    expect(told.slice(0, 4)).toEqual(['summary.md', 'many/0', 'many/1', 'many/10'])
    expect(told.at(-1)).toContain('more than 10000 files and folders')
    expect(await walk()).toEqual(told)
  } finally {
    await removeTree(folder)
  }
})

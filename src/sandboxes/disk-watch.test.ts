import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { unnamedBytes } from './disk-watch.ts'

it('finds the bytes of files without a name among thousands of descriptors, and lets others have their turn', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'unnamed-'))
  const path = join(folder, 'file')
  const open: number[] = []
  let turns = 0
  try {
    for (let count = 0; count < 4_000; count++) open.push(openSync(path, 'a'))
    writeSync(open[0] as number, Buffer.alloc(64 * 1024))
    rmSync(path)
    let isOver = false
    const look = () => {
      turns++
      if (!isOver) setImmediate(look)
    }
    setImmediate(look)
    expect(await unnamedBytes([process.pid, 2 ** 22 + 1])).toBeGreaterThanOrEqual(64 * 1024)
    isOver = true
    expect(turns).toBeGreaterThan(5)
  } finally {
    for (const descriptor of open) closeSync(descriptor)
    rmSync(folder, { recursive: true })
  }
})

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { pause } from '../../lib/time.ts'
import { unnamedBytes, watchDisk } from './disk-watch.ts'

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

it('goes on where somebody has removed the folder: that would have ended the server', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watched-'))
  const disk = watchDisk({ folders: [folder], limits: { diskBytes: 1_000_000, diskFiles: 10 } })
  const passed: string[] = []
  const watching = disk((reason) => passed.push(reason))
  await pause(120)
  rmSync(folder, { recursive: true })
  await pause(200)
  watching.stop()
  expect(passed).toEqual([])
  expect(await disk.isFull()).toBe(false)
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { pause } from '../../lib/time.ts'
import { watchDisk } from './disk-watch.ts'

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

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { measureUnnamed } from './unnamed-files.ts'

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
    const { bytes } = await measureUnnamed([process.pid, 2 ** 22 + 1])
    expect(bytes).toBeGreaterThanOrEqual(64 * 1024)
    isOver = true
    expect(turns).toBeGreaterThan(5)
  } finally {
    for (const descriptor of open) closeSync(descriptor)
    rmSync(folder, { recursive: true })
  }
})

/** A thread with a table of descriptors of its own (`unshare(CLONE_FILES)`) keeps a removed file of 1 MiB open. */
const keepInThread = `
import ctypes, os, sys, threading, time
def keep():
    if ctypes.CDLL(None).unshare(0x400) != 0: sys.exit(1)
    file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(file, 0, 1 << 20)
    os.unlink(sys.argv[1])
    print('kept', flush=True)
    time.sleep(600)
threading.Thread(target=keep).start()
`

it('counts what a thread holds that has a table of descriptors of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'unnamed-'))
  const child = spawn('python3', ['-c', keepInThread, join(folder, 'file')], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(child.stdout, 'data')
    expect(await measureUnnamed([child.pid as number])).toEqual({ bytes: 1024 ** 2, hasHidden: false })
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})

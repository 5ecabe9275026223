import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { pause } from '../../../lib/time.ts'
import { measureUnnamed, watchDisk } from './disk-watch.ts'

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

/** Once it may, sends descriptors of 100 removed files of 4 MiB to itself, and receives none. */
const fillInTransit = `
import os, socket, sys, time
ends = socket.socketpair()
print('up', flush=True)
sys.stdin.readline()
for n in range(100):
    file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(file, 0, 4 << 20)
    os.unlink(sys.argv[1])
    socket.send_fds(ends[0], [b'x'], [file])
    os.close(file)
    time.sleep(0.1)
time.sleep(600)
`

it('counts files in transit, though others have freed more of the disk since the start', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'freed-'))
  const [folder, ofOthers] = [join(parent, 'watched'), join(parent, 'of-others')]
  mkdirSync(folder)
  execFileSync('fallocate', ['-l', '512M', ofOthers])
  const child = spawn('python3', ['-c', fillInTransit, join(folder, 'file')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const passed: string[] = []
  const limits = { diskBytes: 16 * 1024 ** 2, diskFiles: 10 }
  const watching = watchDisk({ folders: [folder], limits, pids: () => [child.pid as number] })((reason) =>
    passed.push(reason),
  )
  try {
    await once(child.stdout, 'data')
    rmSync(ofOthers)
    await pause(200) // it is seen at the next look
    child.stdin.write('go on\n')
    await vi.waitUntil(() => passed.includes('disk_full'), { timeout: 20_000 })
  } finally {
    watching.stop()
    child.kill('SIGKILL')
    rmSync(parent, { recursive: true })
  }
})

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

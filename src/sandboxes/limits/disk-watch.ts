import { spawn } from 'node:child_process'
import { readdirSync, statfsSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { systemPath } from '../programs/run-tool.ts'
import { needRoomForChild } from '../programs/start-program.ts'
import type { SandboxLimits } from '../sandbox.ts'
import type { Watch } from './supervise.ts'

export interface DiskWatchOptions {
  folders: readonly string[]
  limits: Pick<SandboxLimits, 'diskBytes' | 'diskFiles'>
  /** What is alive, for files that are open and have no name any more. */
  pids?: () => readonly number[]
}

export interface DiskUse {
  bytes: number
  files: number
}

const lookMs = 50
/** However little the disk has changed, it is measured again after this time, and after so many times what it took. */
const longestMs = 5_000
const measureShare = 20
/** With less than this left on the disk, what failed has failed for that. */
const noSpaceBytes = 1024 ** 2
const blockBytes = 512

/**
 * What folders hold on disk: allocated bytes, so that a sparse file counts as what it is, and each hard link once. The
 * system's own `find` walks, follows no link, and is stopped as soon as there is too much.
 */
const measureDisk = (
  folders: readonly string[],
  { diskBytes, diskFiles }: DiskWatchOptions['limits'],
  signal?: AbortSignal,
): Promise<DiskUse> =>
  new Promise((resolve, reject) => {
    const args = ['-P', ...folders, '-xdev', '-mindepth', '1', '-printf', '%b %n %D:%i\\n']
    needRoomForChild(1)
    const child = spawn('find', args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: systemPath, LC_ALL: 'C' },
      ...(signal && { signal }),
    })
    const use = { bytes: 0, files: 0 }
    const linked = new Set<string>()
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [blocks = '0', links = '1', inode = ''] = line.split(' ')
      use.files++
      if (links !== '1' && linked.has(inode)) return
      if (links !== '1') linked.add(inode)
      use.bytes += Number(blocks) * blockBytes
      if (use.bytes >= diskBytes || use.files > diskFiles) child.kill('SIGKILL')
    })
    child.once('error', reject)
    child.once('close', () => resolve(use))
  })

/** Descriptors that are looked at before others have their turn: processes inside may have millions of them. */
const looksInARow = 512

/** Bytes of files that processes hold open and that have no name any more. */
export const unnamedBytes = async (pids: readonly number[], signal?: AbortSignal): Promise<number> => {
  const seen = new Map<string, number>()
  let looks = 0
  for (const pid of pids) {
    for (const descriptor of descriptorsOf(pid)) {
      if (++looks % looksInARow === 0) await nextTurn()
      if (signal?.aborted) return 0
      try {
        const file = statSync(`/proc/${pid}/fd/${descriptor}`, { throwIfNoEntry: false })
        if (file?.isFile() && file.nlink === 0) seen.set(`${file.dev}:${file.ino}`, file.blocks * blockBytes)
      } catch {
        break // it has ended meanwhile
      }
    }
  }
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0)
}

const descriptorsOf = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/fd`)
  } catch {
    return [] // it has ended meanwhile
  }
}

/** Bytes and inodes that are free where a folder stands; of one that is gone nothing is known, so that it is measured. */
const freeAt = (folder: string): DiskUse & { available: number } => {
  try {
    const { bfree, bavail, ffree, bsize } = statfsSync(folder)
    return { bytes: bfree * bsize, files: ffree, available: bavail * bsize }
  } catch {
    return { bytes: 0, files: 0, available: Number.POSITIVE_INFINITY }
  }
}

/**
 * Watches what a sandbox writes. How much is free on the disk costs nothing to ask: the folders are measured when that
 * has sunk by as much as is left of the limit, and every few seconds.
 */
export const watchDisk = ({ folders, limits, pids }: DiskWatchOptions): Watch & { isFull(): Promise<boolean> } => {
  const [folder = '/'] = folders
  const isOver = ({ bytes, files }: DiskUse) => bytes >= wholeBlocks(limits.diskBytes) || files > limits.diskFiles
  const watch: Watch = (passed) => {
    const ending = new AbortController()
    let last: DiskUse = { bytes: 0, files: 0 }
    let free = freeAt(folder)
    let due = 0
    let isMeasuring = false
    const measure = async () => {
      isMeasuring = true
      const begunMs = performance.now()
      const before = freeAt(folder)
      const use = await measureDisk(folders, limits, ending.signal).catch(() => undefined)
      if (ending.signal.aborted) return
      if (use) {
        const unnamed = await unnamedBytes(pids?.() ?? [], ending.signal)
        if (ending.signal.aborted) return
        last = { bytes: use.bytes + unnamed, files: use.files }
        free = before
        if (isOver(last)) passed('disk_full')
      }
      const now = performance.now()
      due = now + Math.max(longestMs, (now - begunMs) * measureShare)
      isMeasuring = false
    }
    const timer = setInterval(() => {
      if (isMeasuring) return
      const now = freeAt(folder)
      const grown = {
        bytes: last.bytes + Math.max(0, free.bytes - now.bytes),
        files: last.files + Math.max(0, free.files - now.files),
      }
      if (isOver(grown) || performance.now() >= due) void measure()
    }, lookMs)
    return {
      stop() {
        clearInterval(timer)
        ending.abort()
      },
    }
  }
  return Object.assign(watch, {
    async isFull() {
      if (freeAt(folder).available < noSpaceBytes) return true
      return isOver(await measureDisk(folders, limits))
    },
  })
}

const wholeBlocks = (bytes: number): number => Math.floor(bytes / blockBytes) * blockBytes

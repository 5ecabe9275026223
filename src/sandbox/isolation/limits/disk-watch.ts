import { statfsSync } from 'node:fs'
import type { SandboxLimits } from '../sandbox.ts'
import { blockBytes, type DiskUse, measureDisk } from './measure-disk.ts'
import type { Watch } from './supervise.ts'
import { measureUnnamed } from './unnamed-files.ts'

interface DiskWatchOptions {
  folders: readonly string[]
  limits: Pick<SandboxLimits, 'diskBytes' | 'diskFiles'>
  /** Process ids alive inside; they may hold deleted files open. */
  pids?: () => readonly number[]
}

const lookMs = 50
/** Longest interval between two measurements, plus a multiple of what the last one took. */
const longestMs = 5_000
const measureShare = 20
/** With less free space than this, a failed write is blamed on the full disk. */
const noSpaceBytes = 1024 ** 2

/**
 * Reads free bytes and inodes of the filesystem of a folder. A missing folder gives values that force a measurement.
 */
const freeAt = (folder: string): DiskUse & { available: number } => {
  try {
    const { bfree, bavail, ffree, bsize } = statfsSync(folder)
    return { bytes: bfree * bsize, files: ffree, available: bavail * bsize }
  } catch {
    return { bytes: 0, files: 0, available: Number.POSITIVE_INFINITY }
  }
}

/**
 * Watches what a sandbox writes. Free space of the disk is cheap to read: the folders are measured when it has shrunk
 * by as much as is left of the limit, and every few seconds. When two measurements in a row find processes that keep
 * unmeasurable files, such as a descriptor in transit, everything counts that the disk has lost since it had most free
 * space: others may free more meanwhile than the sandbox takes.
 */
export const watchDisk = ({ folders, limits, pids }: DiskWatchOptions): Watch & { isFull(): Promise<boolean> } => {
  const [folder = '/'] = folders
  const isOver = ({ bytes, files }: DiskUse) => bytes >= wholeBlocks(limits.diskBytes) || files > limits.diskFiles
  const watch: Watch = (passed) => {
    const ending = new AbortController()
    let last: DiskUse = { bytes: 0, files: 0 }
    let mostFree: DiskUse = freeAt(folder)
    let free: DiskUse = mostFree // most since the last measurement
    let due = 0
    let isMeasuring = false
    let isSuspect = false
    const measure = async () => {
      isMeasuring = true
      const begunMs = performance.now()
      const before = freeAt(folder)
      const use = await measureDisk(folders, limits, ending.signal).catch(() => undefined)
      if (ending.signal.aborted) return
      if (use) {
        const unnamed = await measureUnnamed(pids?.() ?? [], ending.signal)
        if (ending.signal.aborted) return
        last = { bytes: use.bytes + unnamed.bytes, files: use.files }
        free = before
        const lost = { bytes: mostFree.bytes - before.bytes, files: use.files }
        const wasSuspect = isSuspect
        isSuspect = unnamed.hasHidden && isOver(lost)
        if (isOver(last) || (isSuspect && wasSuspect)) passed('disk_full')
      }
      const now = performance.now()
      due = isSuspect ? now : now + Math.max(longestMs, (now - begunMs) * measureShare)
      isMeasuring = false
    }
    const timer = setInterval(() => {
      if (isMeasuring) return
      const now = freeAt(folder)
      free = mostOf(free, now)
      mostFree = mostOf(mostFree, now)
      const grown = {
        bytes: last.bytes + free.bytes - now.bytes,
        files: last.files + free.files - now.files,
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

const mostOf = (one: DiskUse, other: DiskUse): DiskUse => ({
  bytes: Math.max(one.bytes, other.bytes),
  files: Math.max(one.files, other.files),
})

const wholeBlocks = (bytes: number): number => Math.floor(bytes / blockBytes) * blockBytes

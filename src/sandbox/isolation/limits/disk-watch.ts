import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { smallTree } from '../files/small-tree.ts'
import { needRoomForChild, systemPath } from '../programs/run-tool.ts'
import type { SandboxLimits } from '../sandbox.ts'
import type { Watch } from './supervise.ts'

/** Deleted files that processes still keep on disk. */
interface UnnamedFiles {
  /** Allocated bytes of files that a process has open, mapped or executing, each file once. */
  bytes: number
  /** Whether a process keeps files that cannot be measured: descriptors in transit over a unix socket, or maps that this user may not follow. */
  hasHidden: boolean
}

/** Entries examined before yielding to the event loop: processes inside may have millions of descriptors. */
const looksInARow = 512

/** Lists a folder of /proc; empty when the process has ended or this user may not look. */
const entriesOf = (folder: string): string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Reads how many descriptors wait in a unix socket to be received (Linux 5.11 or later). */
const descriptorsInTransit = (process: string, descriptor: string): number => {
  try {
    return Number(/^scm_fds:\s*(\d+)/m.exec(readFileSync(`${process}/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

const isUnnamedMap = (path: string): boolean => {
  try {
    const target = readlinkSync(path)
    return target.endsWith(' (deleted)') && !/^(\/memfd:|\/dev\/zero|\/SYSV)/.test(target)
  } catch {
    return false
  }
}

/**
 * Measures deleted files that processes hold: descriptors of each thread, since threads may have tables of their own;
 * maps, since a map outlives its descriptor; and the running program. Ends early when the signal fires.
 */
export const measureUnnamed = async (pids: readonly number[], signal?: AbortSignal): Promise<UnnamedFiles> => {
  const sizes = new Map<string, number>()
  let hasHidden = false
  let looks = 0

  /** Adds the file behind a link of /proc. Gives false where this user may not follow it. */
  const add = (link: string): boolean => {
    try {
      const file = statSync(link, { throwIfNoEntry: false })
      if (file?.isFile() && file.nlink === 0) sizes.set(`${file.dev}:${file.ino}`, file.blocks * blockBytes)
      return true
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EPERM'
    }
  }
  const isSocket = (link: string): boolean => {
    try {
      return statSync(link, { throwIfNoEntry: false })?.isSocket() === true
    } catch {
      return false
    }
  }
  const addDescriptor = (thread: string, descriptor: string): void => {
    const link = `${thread}/fd/${descriptor}`
    if (!isSocket(link)) add(link)
    else if (descriptorsInTransit(thread, descriptor) > 0) hasHidden = true
  }
  const addMap = (link: string): void => {
    if (isUnnamedMap(link) && !add(link)) hasHidden = true
  }

  const lookAtEach = async (names: string[], look: (name: string) => void): Promise<void> => {
    for (const name of names) {
      if (++looks % looksInARow === 0) await nextTurn()
      if (signal?.aborted) return
      look(name)
    }
  }
  for (const pid of pids) {
    const process = `/proc/${pid}`
    add(`${process}/exe`)
    for (const thread of entriesOf(`${process}/task`)) {
      const folder = `${process}/task/${thread}`
      await lookAtEach(entriesOf(`${folder}/fd`), (descriptor) => addDescriptor(folder, descriptor))
    }
    await lookAtEach(entriesOf(`${process}/map_files`), (range) => addMap(`${process}/map_files/${range}`))
  }
  return { bytes: [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0), hasHidden }
}

interface DiskUse {
  bytes: number
  files: number
}

type DiskLimits = Pick<SandboxLimits, 'diskBytes' | 'diskFiles'>

/** Unit in which the system counts what a file occupies. */
const blockBytes = 512

/** Counts files as they are found, each hard link once. */
const makeCount = () => {
  const use: DiskUse = { bytes: 0, files: 0 }
  const linked = new Set<string>()
  return {
    use,
    add(blocks: number, links: number, inode: string) {
      use.files++
      if (links !== 1 && linked.has(inode)) return
      if (links !== 1) linked.add(inode)
      use.bytes += blocks * blockBytes
    },
  }
}

/** Measures small folders without a process; undefined when they are larger, or cannot be opened. */
const measureSmall = (folders: readonly string[]): DiskUse | undefined => {
  const { use, add } = makeCount()
  try {
    for (const folder of folders)
      for (const { stats } of smallTree(folder)) add(stats.blocks, stats.nlink, `${stats.dev}:${stats.ino}`)
    return use
  } catch {
    return undefined
  }
}

/** Measures with the system's `find`, which follows no link and is stopped as soon as the limit is passed. */
const measureWithFind = (
  folders: readonly string[],
  { diskBytes, diskFiles }: DiskLimits,
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
    const { use, add } = makeCount()
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [blocks = '0', links = '1', inode = ''] = line.split(' ')
      add(Number(blocks), Number(links), inode)
      if (use.bytes >= diskBytes || use.files > diskFiles) child.kill('SIGKILL')
    })
    child.once('error', reject)
    child.once('close', () => resolve(use))
  })

/** Measures what folders occupy on disk: allocated bytes, so that a sparse file counts by its blocks, and each hard link once. */
const measureDisk = async (folders: readonly string[], limits: DiskLimits, signal?: AbortSignal): Promise<DiskUse> =>
  measureSmall(folders) ?? measureWithFind(folders, limits, signal)

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

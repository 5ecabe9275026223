import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Deleted files that processes still keep on disk. */
interface UnnamedFiles {
  /** Allocated bytes of files that a process has open, mapped or executing, each file once. */
  bytes: number
  /** Whether a process keeps files that cannot be measured: descriptors in transit over a unix socket, or maps that this user may not follow. */
  hasHidden: boolean
}

/** Entries examined before yielding to the event loop: processes inside may have millions of descriptors. */
const looksInARow = 512
const blockBytes = 512

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

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'

/** Far from those of other tests of this machine; the servers of a test have a range of their own below it. */
export const firstUid = 740_000

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended, or was removed
  }
}

export const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Control groups below a folder whose name has a word in it. */
const groupsNamed = (word: string, folder = '/sys/fs/cgroup', depth = 4): string[] =>
  namesIn(folder).flatMap((name) => {
    const path = join(folder, name)
    if (name.startsWith('jetty-') && name.includes(word)) return [path]
    return depth > 0 && !name.includes('.') ? groupsNamed(word, path, depth - 1) : []
  })

const livingProcesses = (): { pid: string; uid: number; line: string; state: string }[] =>
  namesIn('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      const status = textOf(`/proc/${pid}/status`)
      return {
        pid,
        uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1),
        state: /^State:\s+(\w)/m.exec(status)?.[1] ?? '',
        line: textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' '),
      }
    })
    .filter(({ state, line }) => state !== 'Z' && line !== '')

/** Names of the folders of sandboxes. */
export const runFolders = (dataDir: string): string[] => namesIn(join(dataDir, 'sandboxes'))

/**
 * What is left on this machine of the sandboxes of some runs, as sentences: processes, control groups, mounts, folders.
 * Whoever starts after one that was killed removes them beside its other work: it is given some time.
 */
export const sandboxesLeft = async (dataDir: string, trajectoryIds: readonly string[]): Promise<string[]> => {
  for (const giveUpAt = Date.now() + longestRemoval; ; await pause(50)) {
    const left = leftNow(dataDir, trajectoryIds)
    if (left.length === 0 || Date.now() > giveUpAt) return left
  }
}

const longestRemoval = 30_000

const leftNow = (dataDir: string, trajectoryIds: readonly string[]): string[] => {
  const sandboxes = join(dataDir, 'sandboxes')
  const processes = livingProcesses()
    .filter(({ uid, line }) => (uid >= firstUid && uid < firstUid + 1_000) || line.includes(sandboxes))
    .map(({ pid, line }) => `process ${pid} is left: ${line.slice(0, 200)}`)
  const groups = trajectoryIds.flatMap((id) => groupsNamed(id)).map((path) => `control group ${path} is left`)
  const mounts = textOf('/proc/mounts')
    .split('\n')
    .filter((line) => line.includes(sandboxes))
    .map((line) => `a mount is left: ${line}`)
  const folders = runFolders(dataDir).map((name) => `folder ${name} of a sandbox is left`)
  return [...processes, ...groups, ...mounts, ...folders]
}

/** How many processes of sandboxes there are. */
export const processesInside = (): number =>
  livingProcesses().filter(({ uid }) => uid >= firstUid && uid < firstUid + 1_000).length

import { readdirSync, readFileSync } from 'node:fs'

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the process has ended
  }
}

const childrenOf = (pid: number): number[] => {
  let threads: string[] = []
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    // The process has ended.
  }
  return threads.flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  )
}

/** Finds all descendants of a process, without itself. */
export const descendantsOf = (pid: number): number[] => {
  const found: number[] = []
  let level = childrenOf(pid)
  while (level.length > 0) {
    found.push(...level)
    level = level.flatMap(childrenOf)
  }
  return found
}

/**
 * Sums the private memory of processes in bytes; pages backed by files are excluded, since the kernel can reclaim them.
 */
export const ownMemoryOf = (pids: readonly number[]): number =>
  pids
    .map((pid) => read(`/proc/${pid}/status`))
    .flatMap((status) => [...status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)])
    .reduce((sum, [, kibibytes]) => sum + Number(kibibytes) * 1024, 0)

/** Counts processes and threads of a user on this host; undefined when they cannot be listed. */
export const tasksOf = (uid: number): number | undefined => {
  let pids: string[] = []
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return undefined
  }
  return pids
    .map((pid) => read(`/proc/${pid}/status`))
    .filter((status) => Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1) === uid)
    .reduce((sum, status) => sum + Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 1), 0)
}

export const signalAll = (pids: readonly number[], signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // The process has ended.
    }
  }
}

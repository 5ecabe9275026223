import { readdirSync, readFileSync } from 'node:fs'
import { signalAll } from './process-tree.ts'

/** A variable by which what a plain process has started is found again, whatever became of its parents. */
export const markVariable = 'JETTY_SANDBOX_ID'

/** The mark of one command of a sandbox. */
export const markOf = (id: string, number: number): string => `${id}.${number}`

/**
 * Processes that carry the mark of a command, or where the id of a sandbox is given, that of any of its commands. One that
 * has taken it out of its environment is not found.
 */
export const processesMarked = (mark: string): number[] => {
  const variable = `${markVariable}=${mark}`
  const isMarked = (entry: string) => entry === variable || entry.startsWith(`${variable}.`)
  let pids: string[] = []
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    // a system without /proc
  }
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').some(isMarked)
    } catch {
      return false // another user's, or it has ended meanwhile
    }
  })
}

/** Kills what carries a mark until nothing does; new ones may come while the list is read. */
export const killMarked = (mark: string): void => {
  for (let round = 0; round < 50; round++) {
    const pids = processesMarked(mark)
    if (pids.length === 0) return
    signalAll(pids, 'SIGKILL')
  }
}

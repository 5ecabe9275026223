import { readdirSync, readFileSync } from 'node:fs'
import { pause } from '../../lib/time.ts'
import { signalAll } from './process-tree.ts'

/** A variable by which what a plain process has started is found again, whatever became of its parents. */
export const markVariable = 'JETTY_SANDBOX_ID'

/** The mark of one command of a sandbox. */
export const markOf = (id: string, number: number): string => `${id}.${number}`

interface Marked {
  pids: number[]
  /** Processes that show no environment: for a moment one that becomes another program does not. */
  unclear: number[]
}

const lookFor = (mark: string): Marked => {
  const variable = `${markVariable}=${mark}`
  const isMarked = (entry: string) => entry === variable || entry.startsWith(`${variable}.`)
  const found: Marked = { pids: [], unclear: [] }
  let names: string[] = []
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    // a system without /proc
  }
  for (const name of names) {
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8')
      if (environment === '') found.unclear.push(Number(name))
      else if (environment.split('\0').some(isMarked)) found.pids.push(Number(name))
    } catch {
      // another user's, or it has ended meanwhile
    }
  }
  return found
}

/**
 * Processes that carry the mark of a command, or where the id of a sandbox is given, that of any of its commands. One that
 * has taken it out of its environment is not found.
 */
export const processesMarked = (mark: string): number[] => lookFor(mark).pids

const roundsAtOnce = 50
const roundMs = 2
/** One that shows no environment for so long has none. */
const unclearMs = 250
/** What is not dead by then cannot be killed. */
const killMs = 5_000

/**
 * Kills what carries a mark until nothing does; new ones may come while the list is read. `beside` gives what else belongs
 * to it, by whatever other means that is known.
 */
export const killMarked = async (mark: string, beside: () => number[] = () => []): Promise<void> => {
  const begunMs = performance.now()
  let quietFromMs = begunMs
  while (performance.now() - begunMs < killMs) {
    for (let round = 0; round < roundsAtOnce; round++) {
      const { pids, unclear } = lookFor(mark)
      const found = [...pids, ...beside()]
      signalAll(found, 'SIGKILL')
      const nowMs = performance.now()
      if (found.length > 0) quietFromMs = nowMs
      else if (unclear.length === 0 || nowMs - quietFromMs > unclearMs) return
      else break
    }
    await pause(roundMs)
  }
}

import { readdirSync, readFileSync } from 'node:fs'
import { isExhausted } from '../../../lib/exhaustion.ts'
import { statOf } from '../../../lib/living-process.ts'
import { pause } from '../../../lib/time.ts'
import { signalAll } from './process-tree.ts'

/** Environment variable that identifies everything a plain process has started, even when its parents are gone. */
export const markVariable = 'JETTY_SANDBOX_ID'

/** Value of the variable for one command of a sandbox. */
export const markOf = (id: string, number: number): string => `${id}.${number}`

/** Lists all process ids; undefined when descriptors run out. */
const listed = (): number[] | undefined => {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch (error) {
    return isExhausted(error) ? undefined : [] // a system without /proc
  }
}

const threadsOf = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch (error) {
    if (isExhausted(error)) throw error
    return [] // the process has ended
  }
}

/** Reads the environment of a process; '' when it has none yet. Throws when it may not be read. */
const shown = (path: string): string => {
  try {
    return readFileSync(`${path}/environ`, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return ''
    throw error
  }
}

const exiting = 0x4
const ofTheKernel = 0x0020_0000

/**
 * Whether a process without a readable environment may show one later: during `exec` there is none between the old
 * program and the new. A kernel thread shows that it never has one.
 */
const mayShowOne = (pid: number): boolean => {
  const stat = statOf(pid, true)
  if (!stat) return false
  const [state = '', flags, from, to] = [stat[0], Number(stat[6]), stat[47], stat[48]]
  return !(/[ZX]/.test(state) || flags & (exiting | ofTheKernel) || (from === to && to !== '0'))
}

/** Whether the environment of a process carries the mark; undefined when unknown for now. */
const isMarked = (pid: number, variable: string): boolean | undefined => {
  try {
    let text = shown(`/proc/${pid}`)
    // When the main thread has ended, only the other threads show the environment.
    for (const thread of text === '' ? threadsOf(pid) : []) text ||= shown(`/proc/${pid}/task/${thread}`)
    if (text === '') return mayShowOne(pid) ? undefined : false
    return text.split('\0').some((entry) => entry === variable || entry.startsWith(`${variable}.`))
  } catch (error) {
    return isExhausted(error) ? undefined : false // the process of another user
  }
}

const variableOf = (mark: string): string => `${markVariable}=${mark}`

/**
 * Finds processes that carry the mark of a command, or of any command of a sandbox when its id is given. A process that
 * removed the variable from its environment is not found.
 */
export const processesMarked = (mark: string): number[] =>
  (listed() ?? []).filter((pid) => isMarked(pid, variableOf(mark)))

const looksAtOnce = 50
const pauseMs = 10
// Counted in pauses, not in seconds: the host may be suspended.
/** Pauses after which a process counts as unkillable. */
const mostPauses = 500
/** Pauses after which a process in doubt counts as unmarked. */
const unclearPauses = 200

/**
 * Kills every process with a mark, until a full pass finds none: new ones may appear during a pass. `beside` returns
 * further process ids that belong to the command by other evidence.
 */
export const killMarked = async (mark: string, beside: () => number[] = () => []): Promise<void> => {
  const variable = variableOf(mark)
  const others = new Set<number>()
  const killed = new Set<number>()
  let unclear = 0
  for (let looks = 1, pauses = 0; pauses < mostPauses; looks++) {
    const left = listed()?.filter((pid) => !others.has(pid))
    const killedBefore = killed.size
    let isUnclear = left === undefined
    let found = 0
    const kill = (pid: number) => {
      found++
      killed.add(pid)
      signalAll([pid], 'SIGKILL')
    }
    for (const pid of left ?? []) {
      const marked = isMarked(pid, variable)
      if (marked) kill(pid)
      else if (marked === false) others.add(pid)
      else isUnclear = true
    }
    for (const pid of beside()) kill(pid)
    if (found === 0 && left?.length === 0) return
    const isWaiting = isUnclear || (found > 0 && killed.size === killedBefore)
    if (!isWaiting && looks % looksAtOnce !== 0) continue
    unclear = isUnclear && found === 0 ? unclear + 1 : 0
    if (unclear > unclearPauses) return
    await pause(pauseMs)
    pauses++
  }
}

import { readdirSync, readFileSync } from 'node:fs'
import { isExhausted } from '../../lib/exhaustion.ts'
import { statOf } from '../../lib/living-process.ts'
import { pause } from '../../lib/time.ts'
import { signalAll } from './process-tree.ts'

/** A variable by which what a plain process has started is found again, whatever became of its parents. */
export const markVariable = 'JETTY_SANDBOX_ID'

/** The mark of one command of a sandbox. */
export const markOf = (id: string, number: number): string => `${id}.${number}`

/** Ids of all processes; undefined where they cannot be listed for want of descriptors. */
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
    return [] // it has ended meanwhile
  }
}

/** An environment as the system shows it; '' where there is none, or none yet. Throws where it may not be seen. */
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
 * Whether a process that shows no environment may show one at another moment: it does not while it becomes another program,
 * between the old one and the new. One that has none says where that would be.
 */
const mayShowOne = (pid: number): boolean => {
  const stat = statOf(pid, true)
  if (!stat) return false
  const [state = '', flags, from, to] = [stat[0], Number(stat[6]), stat[47], stat[48]]
  return !(/[ZX]/.test(state) || flags & (exiting | ofTheKernel) || (from === to && to !== '0'))
}

/** Whether a process carries a mark, in its variable; undefined where it cannot be told now. */
const isMarked = (pid: number, variable: string): boolean | undefined => {
  try {
    let text = shown(`/proc/${pid}`)
    // One whose first thread has ended shows it by its others alone.
    for (const thread of text === '' ? threadsOf(pid) : []) text ||= shown(`/proc/${pid}/task/${thread}`)
    if (text === '') return mayShowOne(pid) ? undefined : false
    return text.split('\0').some((entry) => entry === variable || entry.startsWith(`${variable}.`))
  } catch (error) {
    return isExhausted(error) ? undefined : false // another user's
  }
}

const variableOf = (mark: string): string => `${markVariable}=${mark}`

/**
 * Processes that carry the mark of a command, or where the id of a sandbox is given, that of any of its commands. One that
 * has taken it out of its environment is not found.
 */
export const processesMarked = (mark: string): number[] =>
  (listed() ?? []).filter((pid) => isMarked(pid, variableOf(mark)))

const looksAtOnce = 50
const pauseMs = 10
// In pauses, not in time: a machine may stand still.
/** What is not dead by then cannot be killed. */
const mostPauses = 500
/** What cannot be told for so long is taken for none of it. */
const unclearPauses = 200

/**
 * Kills what carries a mark until each process that is there was seen to carry none: new ones come while others are looked
 * at, and may be all that is left of those. `beside` gives what else belongs to it, by whatever other means that is known.
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

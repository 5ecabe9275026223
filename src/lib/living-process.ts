import { spawnSync } from 'node:child_process'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { isExhausted } from './exhaustion.ts'
import { pause } from './time.ts'

/** Fields of /proc/<pid>/stat from the third on (the second may contain spaces); undefined when there is none. */
export const statOf = (pid: number, throws = false): string[] | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch (error) {
    if (throws && isExhausted(error)) throw error
    return undefined
  }
}

const ps = (pid: number, field: string): string | undefined =>
  spawnSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() || undefined

/** Whether a pid is in use, even by a zombie. */
export const processExists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Whether a process is alive. A zombie is not: in containers without a reaper they stay forever. */
export const isAlive = (pid: number): boolean => {
  if (!processExists(pid)) return false
  const state = statOf(pid)?.[0]
  return state !== 'Z' && state !== 'X'
}

/**
 * Start time of a process as an opaque text: the same pid with another text is another process. Throws when descriptors
 * run out, since a wrong answer would declare a living process dead.
 */
export const startTimeOf = (pid: number): string | undefined =>
  process.platform === 'linux' ? statOf(pid, true)?.[19] : ps(pid, 'lstart')

/**
 * The same, different after a restart of the machine: a process that the machine starts on its own may get the pid and the
 * start time, counted from then, that it had before.
 */
export const lifeOf = (pid: number): string => `${bootId()} ${startTimeOf(pid) ?? ''}`

const bootId = (): string => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return '' // start times are dates there
  }
}

/** Command line of a process, joined by spaces; undefined when it cannot be read. */
export const commandLineOf = (pid: number): string | undefined => {
  if (process.platform !== 'linux') return ps(pid, 'command')
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return undefined
  }
}

/** User id of a process; undefined when it cannot be read. */
export const userOf = (pid: number): number | undefined => {
  if (process.platform !== 'linux') {
    const uid = ps(pid, 'uid')
    return uid === undefined ? undefined : Number(uid)
  }
  try {
    return Number(/^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

/** Identifies the pid namespace: processes of different hosts or containers cannot look each other up. */
export const processWorld = (): string => {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

const lookMs = 100
/** Counted in checks, not in time: the checking process may be suspended. */
const mostLooks = 100

const modifiedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether a file is being touched: processes do so every second, as a sign of life to other pid namespaces. */
export const isTouched = async (path: string): Promise<boolean> => {
  const before = modifiedAt(path)
  for (let look = 0; look < mostLooks; look++) {
    await pause(lookMs)
    if (modifiedAt(path) !== before) return true
  }
  return false
}

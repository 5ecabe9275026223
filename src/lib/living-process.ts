import { spawnSync } from 'node:child_process'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { isExhausted } from './exhaustion.ts'
import { pause } from './time.ts'

/** The fields of /proc/<pid>/stat from the third on (its second may hold spaces); undefined where there is none. */
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

/** Whether a pid is taken, be it by a zombie. */
export const processExists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Whether a process runs. A zombie does not: where nobody collects them (containers), they stay for ever. */
export const isAlive = (pid: number): boolean => {
  if (!processExists(pid)) return false
  const state = statOf(pid)?.[0]
  return state !== 'Z' && state !== 'X'
}

/**
 * When a process began, as an opaque text: the same pid with another text is another process. Throws where that cannot be
 * looked up for want of descriptors: whoever lives would be taken for dead.
 */
export const startTimeOf = (pid: number): string | undefined =>
  process.platform === 'linux' ? statOf(pid, true)?.[19] : ps(pid, 'lstart')

/** The words a process was started with, joined by a space; undefined when that cannot be read. */
export const commandLineOf = (pid: number): string | undefined => {
  if (process.platform !== 'linux') return ps(pid, 'command')
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return undefined
  }
}

/** The user id that a process runs as; undefined when that cannot be read. */
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

/** Where pids mean something: two processes of different worlds (hosts, containers) cannot look each other up. */
export const processWorld = (): string => {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

const lookMs = 100
/** In looks, not in time: whoever looks may stand still. */
const mostLooks = 100

const modifiedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether somebody touches a file: by that a process proves its life to those of another world, each second. */
export const isTouched = async (path: string): Promise<boolean> => {
  const before = modifiedAt(path)
  for (let look = 0; look < mostLooks; look++) {
    await pause(lookMs)
    if (modifiedAt(path) !== before) return true
  }
  return false
}

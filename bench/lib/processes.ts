import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = 100 // USER_HZ, which Linux shows to every program whatever its own clock is

const statOf = (pid: number): string[] | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ') // from field 3 on; the name may hold spaces
  } catch {
    return undefined
  }
}

const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((other) => Number(statOf(other)?.[1]) === pid)

/** CPU seconds of a process and of its children, dead ones included. NaN where /proc does not tell. */
export const cpuSecondsOf = (pid: number): number => {
  const own = statOf(pid)
  if (!own) return Number.NaN
  const sumOf = (fields: string[] | undefined, from: number, to: number) =>
    (fields ?? []).slice(from, to).reduce((total, ticks) => total + Number(ticks), 0)
  const living = childrenOf(pid).reduce((total, child) => total + sumOf(statOf(child), 11, 13), 0)
  return (sumOf(own, 11, 15) + living) / ticksPerSecond
}

const statusLine = (pid: number, name: string): number => {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024
}

/** Resident memory, MB. */
export const residentMb = (pid: number): number => statusLine(pid, 'VmRSS')

/** The most that it ever was, MB. */
export const peakResidentMb = (pid: number): number => statusLine(pid, 'VmHWM')

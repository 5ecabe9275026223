import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Below what a process may be silent before others think it dead (src/engine/leases/heartbeat.ts). */
const longMs = 3_000
const lookMs = 200

const fileIn = (folder: string): string => join(folder, 'standstills')

/** Has this process write down when it could not go on for seconds, as on a machine that has no time for it. */
export const noteStandstills = (folder: string): void => {
  let seen = Date.now()
  setInterval(() => {
    const now = Date.now()
    if (now - seen > longMs) appendFileSync(fileIn(folder), `${process.pid},${seen + lookMs}\n`)
    seen = now
  }, lookMs).unref()
}

/** Processes that stood still, and since when: others may have taken their work over, as that of a dead one. */
export const standstillsIn = (folder: string): Map<number, number> => {
  const path = fileIn(folder)
  if (!existsSync(path)) return new Map()
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  return new Map(lines.map((line) => line.split(',').map(Number) as [number, number]))
}

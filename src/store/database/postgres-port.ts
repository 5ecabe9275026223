import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { AppError } from '../../lib/errors.ts'
import { readIfThere } from '../../lib/files/exclusive-file.ts'
import { pause } from '../../lib/time.ts'

/**
 * Below the range of ephemeral ports (32768 and up): while Postgres restarts, a client that keeps reconnecting to a
 * port of that range would eventually be given that very port and so occupy it.
 */
const lowest = 15_000
const highest = 32_000
const attempts = 100

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** A Postgres killed a moment ago may still hold its port through a child that has not noticed yet. */
const patienceMs = 1_000

const isSoonFree = async (port: number): Promise<boolean> => {
  const giveUpAt = performance.now() + patienceMs
  while (!(await isFree(port))) if (performance.now() > giveUpAt || !(await pause(50))) return false
  return true
}

/**
 * Returns the port this folder's Postgres used last if it is or soon becomes free, else a new one, stored in `path`.
 */
export const choosePort = async (path: string): Promise<number> => {
  const last = Number(readIfThere(path))
  if (last >= 1_024 && last <= 65_535 && (await isSoonFree(last))) return last
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest)
    if (!(await isFree(port))) continue
    writeFileSync(path, `${port}\n`, { mode: 0o600 })
    return port
  }
  throw new AppError('internal', `No free port for the embedded PostgreSQL was found from ${lowest} to ${highest}`)
}

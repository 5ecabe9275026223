import { randomBytes } from 'node:crypto'
import { rmSync, statSync, utimesSync } from 'node:fs'
import { createExclusively, readIfThere, takeAway } from '../../lib/files/exclusive-file.ts'
import { pause } from '../../lib/time.ts'

const touchMs = 1_000
const lookMs = 200
/** An owner that has not touched its file for this long is gone or suspended; it may be in another container. */
const staleMs = 15_000

const isStale = (path: string): boolean => {
  const found = statSync(path, { throwIfNoEntry: false })
  return found !== undefined && Date.now() - found.mtimeMs > staleMs
}

/**
 * Lets one process at a time do a piece of work, with a file that it touches meanwhile. A process that wakes up after
 * its lock was taken over must be harmless: the work checks that it still holds the lock before it publishes anything.
 */
export const underLock = async <Result>(
  path: string,
  work: (isHeld: () => boolean) => Promise<Result>,
  { signal, waiting }: { signal: AbortSignal; waiting(): void },
): Promise<Result> => {
  const mine = `${process.pid}-${randomBytes(8).toString('hex')}`
  const isHeld = () => {
    try {
      return readIfThere(path) === mine
    } catch {
      return true // unknown
    }
  }
  let hasWaited = false
  while (!createExclusively(path, `${mine}\n`)) {
    if (!hasWaited) waiting()
    hasWaited = true
    if (isStale(path)) takeAway(path, isStale)
    else if (!(await pause(lookMs, signal))) signal.throwIfAborted()
  }
  const timer = setInterval(() => {
    try {
      if (isHeld()) utimesSync(path, new Date(), new Date())
    } catch {} // taken over while this process was suspended
  }, touchMs)
  try {
    return await work(isHeld)
  } finally {
    clearInterval(timer)
    if (isHeld()) rmSync(path, { force: true })
  }
}

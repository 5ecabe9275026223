import { rmSync, statSync, utimesSync } from 'node:fs'
import { createExclusively } from '../lib/exclusive-file.ts'
import { pause } from '../lib/time.ts'

const touchMs = 1_000
const lookMs = 200
/** An owner that has not touched its file for so long is gone, or asleep; both may be in another container. */
const staleMs = 15_000

const ageOf = (path: string): number => {
  const found = statSync(path, { throwIfNoEntry: false })
  return found ? Date.now() - found.mtimeMs : 0
}

/**
 * Lets one process at a time do a piece of work, by a file that it touches while it is at it. Whoever wakes up after its
 * lock was taken over must be harmless: the work ends with a rename.
 */
export const underLock = async <Result>(
  path: string,
  work: () => Promise<Result>,
  { signal, waiting }: { signal: AbortSignal; waiting(): void },
): Promise<Result> => {
  let hasWaited = false
  while (!createExclusively(path, `${process.pid}\n`)) {
    if (!hasWaited) waiting()
    hasWaited = true
    if (ageOf(path) > staleMs) rmSync(path, { force: true })
    else if (!(await pause(lookMs, signal))) signal.throwIfAborted()
  }
  const timer = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date())
    } catch {} // taken over while this process slept
  }, touchMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    rmSync(path, { force: true })
  }
}

import { utimesSync } from 'node:fs'
import { z } from 'zod'
import { isExhausted } from '../../lib/exhaustion.ts'
import { readIfThere } from '../../lib/files/exclusive-file.ts'
import { isAlive, isTouched, processWorld, startTimeOf } from '../../lib/living-process.ts'

const ownerSchema = z.object({ pid: z.int(), startedAt: z.string(), world: z.string() })

/** The process that owns a file or folder on disk. */
export type Owner = z.output<typeof ownerSchema>

export const thisProcess = (): Owner => ({
  pid: process.pid,
  startedAt: startTimeOf(process.pid) ?? '',
  world: processWorld(),
})

/**
 * Reads the owner from a JSON file; undefined when the file is missing or names none. Throws when descriptors run out:
 * what has no owner is removed, so a wrong answer would delete a living sandbox.
 */
export const ownerIn = (path: string): Owner | undefined => {
  try {
    return ownerSchema.parse(JSON.parse(readIfThere(path) ?? ''))
  } catch (error) {
    if (isExhausted(error)) throw error
    return undefined
  }
}

const touchMs = 1_000

const isThisProcess = ({ pid, startedAt, world }: Owner): boolean => {
  const own = thisProcess()
  return pid === own.pid && startedAt === own.startedAt && world === own.world
}

/**
 * Whether the owner named in a file is gone, or is this process and has released it. An owner in another container
 * cannot be looked up: it proves its life by touching the file every second, which this waits for.
 */
export const isOwnerGone = async (path: string, owner: Owner): Promise<boolean> => {
  if (isThisProcess(owner)) return !touched.has(path)
  if (owner.world === processWorld()) return !isAlive(owner.pid) || startTimeOf(owner.pid) !== owner.startedAt
  return !(await isTouched(path))
}

const touched = new Set<string>()
let timer: NodeJS.Timeout | undefined

const touchAll = (): void => {
  const now = new Date()
  for (const path of touched) {
    try {
      utimesSync(path, now, now)
    } catch {
      // The file was removed under a living owner, who will notice it.
    }
  }
}

/** Touches the owner file every second to prove that this process is alive, until stopped. */
export const keepTouched = (path: string): void => {
  touched.add(path)
  timer ??= setInterval(touchAll, touchMs).unref()
}

export const stopTouching = (path: string): void => {
  touched.delete(path)
  if (touched.size > 0) return
  clearInterval(timer)
  timer = undefined
}

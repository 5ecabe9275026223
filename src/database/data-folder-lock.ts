import { randomBytes } from 'node:crypto'
import { rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { createExclusively, readIfThere, takeAway } from '../lib/files/exclusive-file.ts'
import { isAlive, isTouched, processWorld, startTimeOf } from '../lib/living-process.ts'

export interface DataFolderLock {
  release(): void
}

const holderSchema = z.object({ pid: z.number(), startedAt: z.string(), world: z.string() })
type Holder = z.infer<typeof holderSchema>

const touchMilliseconds = 1_000
const attempts = 5

/**
 * Makes this process the only server on a data folder, until `release` or its death. A lock left behind by a process
 * that died is replaced, also when its pid has a new owner by now.
 */
export const lockDataFolder = async (dataDir: string): Promise<DataFolderLock> => {
  const path = join(dataDir, 'lock')
  const startedAt = startTimeOf(process.pid) ?? ''
  const mine = JSON.stringify({
    pid: process.pid,
    startedAt,
    world: processWorld(),
    nonce: randomBytes(8).toString('hex'),
  })
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (createExclusively(path, mine)) return heldLock(path, mine)
    const found = readIfThere(path)
    if (found === undefined) continue
    const holder = parseHolder(found)
    if (holder && (await isHeld(path, holder))) throw refusal(dataDir, holder.pid)
    takeAway(path, (aside) => readIfThere(aside) === found)
  }
  throw refusal(dataDir, parseHolder(readIfThere(path) ?? '')?.pid)
}

const parseHolder = (text: string): Holder | undefined => {
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

const isHeld = async (path: string, holder: Holder): Promise<boolean> => {
  if (holder.world === processWorld()) return isAlive(holder.pid) && startTimeOf(holder.pid) === holder.startedAt
  return isTouched(path)
}

const heldLock = (path: string, mine: string): DataFolderLock => {
  const touch = setInterval(() => {
    const now = new Date()
    try {
      utimesSync(path, now, now)
    } catch {
      // the folder was removed under a living server; Postgres will say so more clearly
    }
  }, touchMilliseconds)
  touch.unref()
  return {
    release() {
      clearInterval(touch)
      if (readIfThere(path) === mine) rmSync(path, { force: true })
    },
  }
}

const refusal = (dataDir: string, pid: number | undefined): AppError =>
  new AppError('conflict', `Another server (process ${pid ?? 'unknown'}) is using the data folder ${dataDir}`, {
    hint: 'Stop it, or give this one a folder of its own with JETTY_DATA_DIR, or let both use one DATABASE_URL.',
  })

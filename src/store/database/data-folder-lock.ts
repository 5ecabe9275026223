import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { createExclusively, readIfThere, takeAway } from '../../lib/files/exclusive-file.ts'
import { isAlive, isTouched, processWorld, startTimeOf } from '../../lib/living-process.ts'
import { pause } from '../../lib/time.ts'

interface DataFolderLock {
  /**
   * Resolves when another server has taken the lock: this one must stop at once, without another statement to Postgres.
   */
  lost: Promise<AppError>
  release(): void
}

const holderSchema = z.object({ pid: z.number(), startedAt: z.string(), world: z.string() })
type Holder = z.infer<typeof holderSchema>

const touchMilliseconds = 1_000
const attempts = 5

/**
 * Makes this process the only server on a data folder, until `release` or its death. Where available, the kernel's lock
 * on the folder decides, so deleting the file `lock` lets no second server in. The file names the holder, and decides
 * where there is no kernel lock: on macOS, and between hosts on some network file systems. A file left behind by a dead
 * process is replaced, also when its pid has been reused.
 */
export const lockDataFolder = async (dataDir: string): Promise<DataFolderLock> => {
  const folder = openSync(dataDir, 'r')
  const freeKernelLock = () => closeSync(folder)
  try {
    if (flock(folder) === 'taken') await untilFree(folder, dataDir)
    return await lockByFile(dataDir, freeKernelLock)
  } catch (error) {
    freeKernelLock()
    throw error
  }
}

const kernelLockAttempts = 20
const kernelLockPauseMs = 50 // a process killed a moment ago may still be exiting

const untilFree = async (folder: number, dataDir: string): Promise<void> => {
  for (let attempt = 1; attempt < kernelLockAttempts; attempt++) {
    await pause(kernelLockPauseMs)
    if (flock(folder) !== 'taken') return
  }
  throw refusal(dataDir, parseHolder(readIfThere(join(dataDir, 'lock')) ?? '')?.pid)
}

/**
 * Node has no flock. The lock belongs to the open folder and not to the process that requests it: the program `flock`
 * locks an inherited descriptor and exits. No other child inherits it, so the lock ends with this process.
 */
const flock = (descriptor: number): 'held' | 'taken' | 'impossible' => {
  const { status, stderr } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', descriptor] })
  if (status === 0) return 'held'
  return status === 1 && stderr.length === 0 ? 'taken' : 'impossible'
}

const lockByFile = async (dataDir: string, freeKernelLock: () => void): Promise<DataFolderLock> => {
  const path = join(dataDir, 'lock')
  const startedAt = startTimeOf(process.pid) ?? ''
  const mine = JSON.stringify({
    pid: process.pid,
    startedAt,
    world: processWorld(),
    nonce: randomBytes(8).toString('hex'),
  })
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (createExclusively(path, mine)) return heldLock(dataDir, mine, freeKernelLock)
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

const heldLock = (dataDir: string, mine: string, freeKernelLock: () => void): DataFolderLock => {
  const path = join(dataDir, 'lock')
  let resolve: (error: AppError) => void = () => {}
  const lost = new Promise<AppError>((resolved) => {
    resolve = resolved
  })
  const touch = setInterval(() => {
    const now = new Date()
    try {
      const found = readIfThere(path)
      if (found === undefined)
        createExclusively(path, mine) // the file was deleted, and nobody has created it since
      else if (found === mine) utimesSync(path, now, now)
      else {
        clearInterval(touch)
        resolve(takenFrom(dataDir, parseHolder(found)?.pid))
      }
    } catch {
      // The folder was removed under a living server; Postgres reports it more clearly.
    }
  }, touchMilliseconds)
  touch.unref()
  return {
    lost,
    release() {
      clearInterval(touch)
      if (readIfThere(path) === mine) rmSync(path, { force: true })
      freeKernelLock()
    },
  }
}

const takenFrom = (dataDir: string, pid: number | undefined): AppError =>
  new AppError('conflict', `Another server (process ${pid ?? 'unknown'}) has taken the data folder ${dataDir}`, {
    hint: 'This server stops now, and the other one continues its runs. Give each server its own data folder.',
  })

const refusal = (dataDir: string, pid: number | undefined): AppError =>
  new AppError('conflict', `Another server (process ${pid ?? 'unknown'}) is using the data folder ${dataDir}`, {
    hint: 'Stop the other server, set JETTY_DATA_DIR to another folder, or set the same DATABASE_URL for both.',
  })

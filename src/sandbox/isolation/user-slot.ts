import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { isExhausted } from '../../lib/exhaustion.ts'
import { createExclusively } from '../../lib/files/exclusive-file.ts'
import { processWorld } from '../../lib/living-process.ts'
import { isOwnerGone, keepTouched, ownerIn, stopTouching, thisProcess } from './owner.ts'

/** A host user id reserved for one sandbox. */
export interface UserSlot {
  uid: number
  release(): void
  /**
   * Gives the id back to this process, which goes on claiming it. Call it when nothing that ran under the id is alive: the
   * next sandbox gets it without a look at every process of this host.
   */
  keep(): void
}

interface Spare {
  slot: UserSlot
  /** File of the claim. */
  path: string
}

/** Slots that this process keeps claimed, by the folder of claims and the first id. */
const spares = new Map<string, Spare[]>()
const mostSpares = 8

process.once('exit', () => {
  for (const { slot } of [...spares.values()].flat()) slot.release()
})

/** Number of ids tried from the first one on. */
const range = 2_000

/** Ids with a name on this host: people and services, never sandboxes. */
const namedUids = (): Set<number> => {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
    return new Set(lines.map((line) => Number(line.split(':')[2])))
  } catch {
    return new Set()
  }
}

/** User id of a process; undefined for one that has ended, even if nobody reaps it (as in containers). */
const uidOf = (pid: string): number | undefined => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const hasEnded = /^State:\s+[ZX]/m.test(status) && readdirSync(`/proc/${pid}/task`).length <= 1
    return hasEnded ? undefined : Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
  } catch (error) {
    if (isExhausted(error)) throw error
    return undefined // the process has ended
  }
}

/** User ids with running processes. */
const usedUids = (): Set<number | undefined> =>
  new Set(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(uidOf),
  )

/** Longest time between drafting a claim and moving it into place. */
const draftMs = 60_000

/** Removes drafts of processes that were killed in between. */
const removeDrafts = (folder: string): void => {
  for (const name of readdirSync(folder).filter((entry) => /\.json\../.test(entry))) {
    const path = join(folder, name)
    const found = statSync(path, { throwIfNoEntry: false })
    if (found && Date.now() - found.mtimeMs > draftMs) rmSync(path, { force: true })
  }
}

/** Tells whether a living process other than ours has claimed an id. Claims of dead processes are removed. */
const isClaimed = async (folder: string, uid: number, ours: string): Promise<boolean> => {
  const isOfThis = new RegExp(`^${uid}\\.\\d+-[0-9a-f]+\\.json$`)
  for (const name of readdirSync(folder).filter((entry) => isOfThis.test(entry) && entry !== ours)) {
    const path = join(folder, name)
    const owner = ownerIn(path)
    if (owner && !(await isOwnerGone(path, owner))) return true
    rmSync(path, { force: true })
  }
  return false
}

/** Removes the claims of processes that are gone. Those of other containers take seconds to tell, and are left. */
export const removeLeftClaims = async (folder: string): Promise<void> => {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder).filter((entry) => /^\d+\.\d+-[0-9a-f]+\.json$/.test(entry))) {
    const path = join(folder, name)
    const owner = ownerIn(path)
    if (owner?.world === processWorld() && (await isOwnerGone(path, owner))) rmSync(path, { force: true })
  }
}

/** Claims an id, and tells whether nobody else has it; it has to be released if not. */
const claim = async (folder: string, uid: number, spare: Spare[]): Promise<{ slot: UserSlot; isFree: boolean }> => {
  const name = `${uid}.${process.pid}-${randomBytes(4).toString('hex')}.json`
  const path = join(folder, name)
  createExclusively(path, `${JSON.stringify(thisProcess())}\n`)
  keepTouched(path)
  const slot: UserSlot = {
    uid,
    release() {
      stopTouching(path)
      rmSync(path, { force: true })
    },
    keep() {
      if (spare.length < mostSpares) spare.push({ slot, path })
      else slot.release()
    },
  }
  try {
    return { slot, isFree: !(await isClaimed(folder, uid, name)) && !usedUids().has(uid) }
  } catch (error) {
    slot.release()
    throw error
  }
}

/**
 * Reserves the first id from `firstUid` on that no sandbox on this host has and no process runs under. A process first
 * writes its claim into `folder`, a fixed place on the host, and only then checks for others: of two that race, one or
 * none gets the id, never both. Each claim has a file name of its own, so that a living claim is never mistaken for a
 * dead one.
 */
export const takeUserSlot = async (folder: string, firstUid: number): Promise<UserSlot> => {
  const key = `${folder}:${firstUid}`
  const spare = spares.get(key) ?? []
  spares.set(key, spare)
  for (let kept = spare.pop(); kept; kept = spare.pop()) if (existsSync(kept.path)) return kept.slot
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  removeDrafts(folder)
  const named = namedUids()
  for (let uid = firstUid; uid < firstUid + range; uid++) {
    if (named.has(uid)) continue
    const { slot, isFree } = await claim(folder, uid, spare)
    if (isFree) return slot
    slot.release()
  }
  throw new AppError('sandbox_unavailable', `All user ids from ${firstUid} to ${firstUid + range - 1} are in use`, {
    hint: 'Set JETTY_SANDBOX_UID to the first of a range of unused user ids.',
  })
}

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../lib/errors.ts'
import { createExclusively } from '../lib/exclusive-file.ts'
import { isOwnerGone, keepTouched, ownerIn, thisProcess } from './owner.ts'

/** A user id of this machine that nobody else runs anything under. */
export interface UserSlot {
  uid: number
  release(): void
}

/** How many ids are looked at from the first one on. */
const range = 2_000

/** Ids that have a name here are people and services, never sandboxes. */
const namedUids = (): Set<number> => {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
    return new Set(lines.map((line) => Number(line.split(':')[2])))
  } catch {
    return new Set()
  }
}

const uidOf = (pid: string): number | undefined => {
  try {
    return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined // it has ended meanwhile
  }
}

/** Ids that a process runs under right now. */
const usedUids = (): Set<number | undefined> =>
  new Set(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(uidOf),
  )

/**
 * Takes the first id from `firstUid` on that no sandbox of any server of this machine has. The locks stand in `folder`,
 * a fixed place of the machine; one whose owner is gone is taken over, unless something still runs under its id.
 */
export const takeUserSlot = async (folder: string, firstUid: number): Promise<UserSlot> => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const named = namedUids()
  const used = usedUids()
  for (let uid = firstUid; uid < firstUid + range; uid++) {
    if (named.has(uid) || used.has(uid)) continue
    const path = join(folder, `${uid}.json`)
    const mine = `${JSON.stringify(thisProcess())}\n`
    if (!createExclusively(path, mine)) {
      const owner = ownerIn(path)
      if (owner && !(await isOwnerGone(path, owner))) continue
      rmSync(path, { force: true })
      if (!createExclusively(path, mine)) continue
    }
    const stopTouching = keepTouched(path)
    return {
      uid,
      release() {
        stopTouching()
        rmSync(path, { force: true })
      },
    }
  }
  throw new AppError('sandbox_unavailable', `All user ids from ${firstUid} to ${firstUid + range - 1} are in use`, {
    hint: 'Set JETTY_SANDBOX_UID to the first of a range of ids that nobody uses.',
  })
}

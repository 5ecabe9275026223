import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { isAlive, processWorld, startTimeOf } from '../../lib/living-process.ts'

/** Note of a running server in its data folder. */
export interface ServerNote {
  pid: number
  /** From `startTimeOf`: the same pid with another start time is another process. */
  startedAt: string
  /** From `processWorld`: the pid namespace. */
  world: string
  /** URL of its API; null for a worker. */
  url: string | null
  /** Public URL: JETTY_PUBLIC_URL, or the same as `url`. */
  publicUrl: string
  role: string
  version: string
  /** ISO 8601. */
  since: string
}

const folderOf = (dataDir: string): string => join(dataDir, 'servers')

const isNote = (value: unknown): value is ServerNote =>
  isObject(value) &&
  Number.isInteger(value.pid) &&
  (value.url === null || typeof value.url === 'string') &&
  ['startedAt', 'world', 'publicUrl', 'role', 'version', 'since'].every((name) => typeof value[name] === 'string')

/**
 * Tells whether the process of a note runs. A process in another container cannot be looked up, and counts as ended.
 */
export const isRunning = ({ pid, startedAt, world }: ServerNote): boolean =>
  world === processWorld() && isAlive(pid) && startTimeOf(pid) === startedAt

/** A note that another user could have written is ignored: a key would be sent to its URL. */
const isTrusted = (path: string): boolean => {
  const me = process.getuid?.()
  const owner = statSync(path).uid
  return me === undefined || me === 0 || owner === me || owner === 0
}

const readNote = (path: string): ServerNote | undefined => {
  try {
    const note = isTrusted(path) ? parsedObject(readFileSync(path, 'utf8')) : undefined
    return isNote(note) ? note : undefined
  } catch {
    return undefined // removed since the folder was listed, or owned by another user
  }
}

const pathsIn = (dataDir: string): string[] => {
  try {
    return readdirSync(folderOf(dataDir))
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(folderOf(dataDir), name))
  } catch {
    return []
  }
}

/** Servers of this machine running on a data folder, newest first. */
export const runningServers = (dataDir: string): ServerNote[] =>
  pathsIn(dataDir)
    .map(readNote)
    .filter((note) => note !== undefined && isRunning(note))
    .sort((one, other) => (other as ServerNote).since.localeCompare((one as ServerNote).since)) as ServerNote[]

/** Writes the note of this process, and removes notes of dead ones. Returns a function that removes it. */
export const noteServer = (
  dataDir: string,
  server: Pick<ServerNote, 'url' | 'publicUrl' | 'role' | 'version'>,
): { remove(): void } => {
  mkdirSync(folderOf(dataDir), { recursive: true, mode: 0o700 })
  for (const path of pathsIn(dataDir)) {
    const note = readNote(path)
    if (note?.world === processWorld() && !isRunning(note)) rmSync(path, { force: true })
  }
  const path = join(folderOf(dataDir), `${process.pid}.json`)
  const startedAt = startTimeOf(process.pid) ?? ''
  const mine: ServerNote = {
    pid: process.pid,
    startedAt,
    world: processWorld(),
    ...server,
    since: new Date().toISOString(),
  }
  writeFileSync(path, `${JSON.stringify(mine)}\n`, { mode: 0o600 })
  return { remove: () => rmSync(path, { force: true }) }
}

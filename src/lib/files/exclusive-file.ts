import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../errors.ts'
import { syncNow } from './sync-folder.ts'

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/**
 * Creates a 0600 file with its whole content at once; false when the file was there already. Only a durable one survives
 * a power cut: others may be empty after it.
 */
export const createExclusively = (path: string, content: string, isDurable = false): boolean => {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
  writeFileSync(draft, content, { flag: 'wx', mode: 0o600, flush: isDurable })
  try {
    linkSync(draft, path) // a plain 'wx' write could be read while it is still empty
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    return createWithoutLink(path, content, isDurable) // a file system without hard links
  } finally {
    rmSync(draft, { force: true })
    if (isDurable) syncNow(dirname(path)) // also when another process was faster: its file must survive as well
  }
}

const createWithoutLink = (path: string, content: string, isDurable: boolean): boolean => {
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600, flush: isDurable })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** The content of a file without the white space around it; undefined when there is no such file. */
export const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Removes a file, unless another process has replaced it since it was read. */
export const takeAway = (path: string, isIt: (aside: string) => boolean): void => {
  const aside = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    renameSync(path, aside)
    if (!isIt(aside)) createExclusively(path, readFileSync(aside, 'utf8'))
  } catch {
    // another process removed it first
  } finally {
    rmSync(aside, { force: true })
  }
}

/**
 * A secret that is made once and kept in a 0600 file, durably: what it seals must not outlive it. Processes that start
 * together agree on one. Throws when the file is empty.
 */
export const readOrCreate = (path: string, make: () => string): string => {
  const present = readIfThere(path)
  if (present) return present
  const made = make()
  if (present === undefined && createExclusively(path, `${made}\n`, true)) return made
  return readIfThere(path) || emptyFile(path)
}

const emptyFile = (path: string): never => {
  throw new AppError('invalid', `The file ${path} is empty`, {
    hint: 'Restore it from a backup. If there is none, remove it: the next start creates another.',
  })
}

/** Replaces a file by one with mode 0600, durably: readers find the old or the new content. */
export const replaceFile = (path: string, content: string): void => {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(draft, content, { flag: 'wx', mode: 0o600, flush: true })
    renameSync(draft, path)
    syncNow(dirname(path))
  } finally {
    rmSync(draft, { force: true })
  }
}

import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/** Creates a 0600 file with its whole content at once; false when the file was there already. */
export const createExclusively = (path: string, content: string): boolean => {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
  writeFileSync(draft, content, { flag: 'wx', mode: 0o600 })
  try {
    linkSync(draft, path) // a plain 'wx' write could be read while it is still empty
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    return createWithoutLink(path, content) // a file system without hard links
  } finally {
    rmSync(draft, { force: true })
  }
}

const createWithoutLink = (path: string, content: string): boolean => {
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600 })
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

/** Removes a file, but not one that another process has put in its place since it was looked at. */
export const takeAway = (path: string, isIt: (aside: string) => boolean): void => {
  const aside = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    renameSync(path, aside)
    if (!isIt(aside)) createExclusively(path, readFileSync(aside, 'utf8'))
  } catch {
    // somebody else took it away first
  } finally {
    rmSync(aside, { force: true })
  }
}

/** A secret that is made once and kept in a 0600 file; processes that start together agree on one. */
export const readOrCreate = (path: string, make: () => string): string => {
  const present = readIfThere(path)
  if (present) return present
  const made = make()
  return createExclusively(path, `${made}\n`) ? made : (readIfThere(path) ?? made)
}

const sync = (path: string): void => {
  const file = openSync(path, 'r')
  fsyncSync(file)
  closeSync(file)
}

/** Puts a 0600 file in the place of another, on disk when it returns: whoever reads finds the old or the new content. */
export const replaceFile = (path: string, content: string): void => {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(draft, content, { flag: 'wx', mode: 0o600 })
    sync(draft)
    renameSync(draft, path)
    sync(dirname(path))
  } finally {
    rmSync(draft, { force: true })
  }
}

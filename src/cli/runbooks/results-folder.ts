import { constants, existsSync, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../lib/errors.ts'
import { fileReason, unwritableFile } from '../input/file-problems.ts'

export interface ResultsFolder {
  path: string
  /** Path to which previous results were moved. */
  movedTo: string | undefined
  /** Writes one file and returns its path; refuses a path that leaves the folder. */
  write(relativePath: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<string>
}

/** Path relative to the current folder, as a person would type it. */
export const shownPath = (path: string): string => {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}

const isEmpty = (folder: string): boolean => !existsSync(folder) || readdirSync(folder).length === 0

const freeName = (folder: string): string => {
  for (let number = 1; ; number++) {
    const name = `${folder}-${number}`
    if (!existsSync(name)) return name
  }
}

/**
 * Opens an empty folder for results. Moves a non-empty folder aside, so that nobody mistakes old results for new ones.
 * With `isForced` it keeps the folder and overwrites files.
 */
export const openResultsFolder = (given: string, isForced: boolean): ResultsFolder => {
  const path = resolve(given)
  let movedTo: string | undefined
  try {
    if (!isForced && !isEmpty(path)) {
      movedTo = freeName(path)
      renameSync(path, movedTo)
    }
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw new AppError('invalid', `Results cannot be written to ${given}: ${fileReason(error)}`, {
      hint: 'Name another folder with --results.',
    })
  }
  return { path, movedTo, write: (name, body, signal) => writeInto(path, name, body, isForced, signal) }
}

/** A symbolic link among existing folders would lead elsewhere. */
const requireNoLink = (folder: string, path: string): void => {
  for (let above = dirname(path); above.length > folder.length; above = dirname(above)) {
    if (lstatSync(above, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new AppError('invalid', `${path} cannot be written: ${shownPath(above)} is a symbolic link`, {
        hint: 'Name another folder with --results.',
      })
    }
  }
}

const writeInto = async (
  folder: string,
  name: string,
  body: AsyncIterable<Uint8Array>,
  isForced: boolean,
  signal: AbortSignal | undefined,
): Promise<string> => {
  const path = join(folder, name)
  if (!path.startsWith(folder + sep) || name.includes('\0')) {
    throw new AppError('invalid', `The result ${JSON.stringify(name)} has a path outside the results folder`)
  }
  requireNoLink(folder, path)
  const flags =
    constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | (isForced ? constants.O_TRUNC : constants.O_EXCL)
  try {
    mkdirSync(dirname(path), { recursive: true })
    const file = await open(path, flags, 0o644)
    await pipeline(Readable.from(body), file.createWriteStream(), { ...(signal && { signal }) })
    return path
  } catch (error) {
    const isOurs = (error as NodeJS.ErrnoException).code !== 'EEXIST'
    if (isOurs) await rm(path, { force: true }).catch(() => {})
    if (signal?.aborted) throw error
    throw unwritableFile(path, error)
  }
}

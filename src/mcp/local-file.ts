import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError, messageOf } from '../lib/errors.ts'

/** Largest file of this machine that a tool sends. */
const largestFile = 64 * 1024 * 1024

const outside = (path: string, folder: string): AppError =>
  new AppError('forbidden', `${path} is not below ${folder}`, {
    hint: 'Name a file below the folder in which `jetty mcp` was started, or start it with --folder.',
  })

/** The real path of a name below a folder; links that lead out of it are refused. */
const below = async (folder: string, path: string, isNew: boolean): Promise<string> => {
  const wanted = resolve(folder, path)
  const [root, real] = await Promise.all([
    realpath(folder),
    isNew ? realpath(dirname(wanted)).then((parent) => join(parent, basename(wanted))) : realpath(wanted),
  ]).catch((error) => {
    throw new AppError('not_found', `There is no ${isNew ? 'folder for' : 'file'} ${path}: ${messageOf(error)}`)
  })
  const way = relative(root, real)
  if (way === '' || way === '..' || way.startsWith(`..${sep}`)) throw outside(path, folder)
  return real
}

/** Reads a file below a folder, to be sent. */
export const readLocalFile = async (folder: string, path: string): Promise<{ name: string; content: Blob }> => {
  const file = await open(await below(folder, path, false), constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const { size } = await file.stat()
    if (size > largestFile) {
      throw new AppError('too_large', `${path} has ${size} bytes; a tool sends at most ${largestFile}`, {
        hint: 'Send it with `jetty files upload`.',
      })
    }
    return { name: basename(path), content: new Blob([new Uint8Array(await file.readFile())]) }
  } finally {
    await file.close()
  }
}

/** Writes a response into a new file below a folder, and returns its path. An existing file is never replaced. */
export const saveLocalFile = async (folder: string, path: string, response: Response): Promise<string> => {
  const to = await below(folder, path, true)
  const file = await open(to, 'wx').catch((error) => {
    throw new AppError('conflict', `${path} cannot be written: ${messageOf(error)}`, { hint: 'Choose another name.' })
  })
  const body = response.body ?? new ReadableStream({ start: (control) => control.close() })
  await pipeline(Readable.fromWeb(body as never), file.createWriteStream())
  return to
}

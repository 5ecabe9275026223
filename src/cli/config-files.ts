import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError, messageOf } from '../lib/errors.ts'

/** Where every client of the platform keeps what it needs between two commands. */
const configFolder = (): string => join(homedir(), '.config', 'jetty')
export const tokenPath = (): string => join(configFolder(), 'token')
const apiBasePath = (): string => join(configFolder(), 'api_base')

const defaultUrl = 'http://127.0.0.1:7070'

const readTrimmed = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/** Readable by nobody else: the folder 700, the file 600, put in place at once. */
const writePrivately = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  chmodSync(dirname(path), 0o700) // it may have been there, as open as the umask left it
  const draft = `${path}.new-${process.pid}`
  writeFileSync(draft, `${text}\n`, { mode: 0o600 })
  renameSync(draft, path)
}

export const saveToken = (token: string): void => writePrivately(tokenPath(), token)
export const saveUrl = (url: string): void => writePrivately(apiBasePath(), url)

export interface FoundToken {
  token: string
  /** For messages: where it was found. */
  source: string
}

/** The token to use: from the file that was named, the environment, or the usual file, in this order. */
export const findToken = (file: string | undefined): FoundToken | undefined => {
  if (file !== undefined) {
    const token = readTrimmed(file)
    if (token) return { token, source: file }
    throw new AppError('invalid', `--token-file ${file} holds no token`, {
      hint: 'It must be a file you may read, with the token as its only content.',
    })
  }
  const fromEnvironment = process.env.JETTY_API_TOKEN?.trim()
  if (fromEnvironment) return { token: fromEnvironment, source: 'JETTY_API_TOKEN' }
  const token = readTrimmed(tokenPath())
  return token === undefined ? undefined : { token, source: tokenPath() }
}

/** Origin of the server, without a path at its end. */
export const findUrl = (given: string | undefined): string => {
  const text = given ?? process.env.JETTY_API_URL?.trim() ?? readTrimmed(apiBasePath()) ?? defaultUrl
  try {
    const url = new URL(text || defaultUrl)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('only http and https are spoken')
    return `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/api\/v1$/, '')}`
  } catch (error) {
    throw new AppError('invalid', `${JSON.stringify(text)} is no address of a server: ${messageOf(error)}`, {
      hint: 'Write it as https://jetty.example.com or http://127.0.0.1:7070.',
    })
  }
}

const legacyToken = /\bmlc_[a-z0-9]{32}\b/

/** A token that an older client left in the CLAUDE.md of this folder, where it is in the way of being shown around. */
export const findLegacyToken = (folder: string): string | undefined => {
  const path = join(folder, 'CLAUDE.md')
  return existsSync(path) ? legacyToken.exec(readFileSync(path, 'utf8'))?.[0] : undefined
}

/** Takes the lines with a token out of CLAUDE.md; the rest stays as it is. */
export const removeLegacyToken = (folder: string): void => {
  const path = join(folder, 'CLAUDE.md')
  const lines = readFileSync(path, 'utf8').split('\n')
  writeFileSync(path, lines.filter((line) => !legacyToken.test(line)).join('\n'))
}

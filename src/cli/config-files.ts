import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Folder where every client stores its files. */
const configFolder = (): string => join(homedir(), '.config', 'jetty')
export const tokenPath = (): string => join(configFolder(), 'token')
export const apiBasePath = (): string => join(configFolder(), 'api_base')

/** Reads a small file; undefined when it is missing or empty. */
export const readTrimmed = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/** Writes a file readable only by this user (folder 0700, file 0600), atomically. */
const writePrivately = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  chmodSync(dirname(path), 0o700) // an existing folder may have wider permissions
  const draft = `${path}.new-${process.pid}`
  writeFileSync(draft, `${text}\n`, { mode: 0o600 })
  renameSync(draft, path)
}

/** Saves a token with its server: it is sent to no other one. */
export const saveLogin = (token: string, url: string): void => {
  writePrivately(apiBasePath(), url)
  writePrivately(tokenPath(), token)
}

const legacyToken = /\bmlc_[a-z0-9]{32}\b/

/** Finds a token that an older client wrote into this folder's CLAUDE.md, a file that people share. */
export const findLegacyToken = (folder: string): string | undefined => {
  const path = join(folder, 'CLAUDE.md')
  return existsSync(path) ? legacyToken.exec(readFileSync(path, 'utf8'))?.[0] : undefined
}

/** Removes the lines with a token from CLAUDE.md. */
export const removeLegacyToken = (folder: string): void => {
  const path = join(folder, 'CLAUDE.md')
  const lines = readFileSync(path, 'utf8').split('\n')
  writeFileSync(path, lines.filter((line) => !legacyToken.test(line)).join('\n'))
}

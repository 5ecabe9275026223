import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Where every client of the platform keeps what it needs between two commands. */
const configFolder = (): string => join(homedir(), '.config', 'jetty')
export const tokenPath = (): string => join(configFolder(), 'token')
export const apiBasePath = (): string => join(configFolder(), 'api_base')

/** The text of a small file; undefined where there is none, or nothing in it. */
export const readTrimmed = (path: string): string | undefined => {
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

/** Keeps a token and the server that it is for: it is sent to no other one. */
export const saveLogin = (token: string, url: string): void => {
  writePrivately(apiBasePath(), url)
  writePrivately(tokenPath(), token)
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

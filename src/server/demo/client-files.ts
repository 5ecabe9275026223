import { mkdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createExclusively, readIfThere, replaceFile } from '../../lib/files/exclusive-file.ts'
import { hashToken } from '../../lib/secrets/crypto.ts'
import { makeKeyFinder } from '../../store/collections/keys.ts'
import type { Database } from '../../store/database/database.ts'

/** Folder of the two files that every client reads: a token, and its server. */
const folder = (): string => join(homedir(), '.config', 'jetty')
const tokenPath = (): string => join(folder(), 'token')
const apiBasePath = (): string => join(folder(), 'api_base')

const originOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).origin : undefined)

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]'])
const isLoopback = (url: string): boolean => URL.canParse(url) && loopback.has(new URL(url).hostname)

/** URL for a client on this host; a server that listens on every address is called at the loopback address. */
export const localUrl = (url: string): string =>
  url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')

/**
 * Saves a new token where every client looks for it, with this server's URL beside it: otherwise a client would send
 * the token to its default server. Returns the token's path. Uses the data folder instead when another token exists, or
 * when `api_base` names another server.
 */
export const saveForClients = (token: string, url: string, dataDir: string): string => {
  if (saveBoth(token, localUrl(url))) return tokenPath()
  const own = join(dataDir, 'demo-token')
  rmSync(own, { force: true }) // belongs to an earlier database; this one does not know it
  createExclusively(own, `${token}\n`)
  return own
}

/** Writes the URL first: a crash in between leaves no token that could be sent elsewhere. */
const saveBoth = (token: string, url: string): boolean => {
  try {
    if (readIfThere(tokenPath()) !== undefined) return false
    mkdirSync(folder(), { recursive: true, mode: 0o700 })
    const isNew = createExclusively(apiBasePath(), `${url}\n`)
    if (!isNew && originOf(readIfThere(apiBasePath()) ?? '') !== originOf(url)) return false
    if (createExclusively(tokenPath(), `${token}\n`)) return true
    if (isNew) rmSync(apiBasePath(), { force: true }) // another process has saved a token meanwhile
    return false
  } catch {
    return false // the user has no home folder
  }
}

/**
 * Keeps `api_base` correct when the saved token belongs to this server: writes it when missing, and follows the server
 * to another port. A URL of another host stays, since it may be a proxy to this server.
 */
export const keepAddress = async (database: Database, url: string): Promise<void> => {
  try {
    const token = readIfThere(tokenPath())
    if (!token || !(await makeKeyFinder(database)(hashToken(token)))) return
    const named = readIfThere(apiBasePath())
    const local = localUrl(url)
    if (named === undefined) createExclusively(apiBasePath(), `${local}\n`)
    else if (isLoopback(named) && isLoopback(local) && originOf(named) !== originOf(local)) {
      replaceFile(apiBasePath(), `${local}\n`)
    }
  } catch {
    // Files that this user may not read or write.
  }
}

import { join } from 'node:path'
import { AppError } from '../lib/errors.ts'
import { apiBasePath, readTrimmed, tokenPath } from './config-files.ts'
import { type FoundServer, isLoopback, isSameServer } from './find-server.ts'

interface FoundToken {
  token: string
  /** Source of the token, for messages. */
  source: string
}

/** A saved token for another server, which is not sent. */
export interface WithheldToken {
  source: string
  /** The server it belongs to. */
  madeFor: string
}

/**
 * Chooses the token: from `--token-file`, JETTY_API_TOKEN, or the saved one. The saved token is sent only to the server
 * that `api_base` names beside it, or to any server if it names none. For a server of this user's data folder, a token
 * that it left there comes next, and the saved one also counts if the port has changed.
 */
export const findToken = (
  file: string | undefined,
  server: FoundServer,
): { found?: FoundToken; withheld?: WithheldToken } => {
  if (file !== undefined) {
    const token = readTrimmed(file)
    if (token) return { found: { token, source: file } }
    throw new AppError('invalid', `--token-file ${file} does not contain a token`, {
      hint: 'Name a file that you may read and that contains only the token.',
    })
  }
  const fromEnvironment = process.env.JETTY_API_TOKEN?.trim()
  if (fromEnvironment) return { found: { token: fromEnvironment, source: 'JETTY_API_TOKEN' } }
  const token = readTrimmed(tokenPath())
  const kept = token === undefined ? undefined : { token, source: tokenPath() }
  const madeFor = readTrimmed(apiBasePath())
  const isFor = (url: string | undefined) => madeFor !== undefined && url !== undefined && isSameServer(madeFor, url)
  if (kept && (isFor(server.url) || isFor(server.publicUrl))) return { found: kept }
  const left = server.dataDir === undefined ? undefined : leftBy(server.dataDir)
  if (left) return { found: left }
  if (!kept) return {}
  const hasMoved = server.dataDir !== undefined && madeFor !== undefined && isLoopback(madeFor)
  if (madeFor === undefined || hasMoved) return { found: kept }
  return { withheld: { source: kept.source, madeFor } }
}

/** Reads the token that the first start leaves in the data folder if `~/.config/jetty/token` already existed. */
const leftBy = (dataDir: string): FoundToken | undefined => {
  const source = join(dataDir, 'demo-token')
  const token = readTrimmed(source)
  return token === undefined ? undefined : { token, source }
}

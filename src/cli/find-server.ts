import { AppError, messageOf } from '../lib/errors.ts'
import { homePath } from '../lib/settings/home-path.ts'
import { apiBasePath, readTrimmed } from './config-files.ts'
import { runningServers } from './serve/server-notes.ts'

/** The server that a command talks to. */
export interface FoundServer {
  /** Origin, without a path. */
  url: string
  /** The option, variable or file that named the server, for messages. */
  source: string
  /** Data folder on this machine of the server running there. */
  dataDir: string | undefined
  /** The server's public URL; undefined when unknown. */
  publicUrl: string | undefined
}

const defaultUrl = 'http://127.0.0.1:7070'

const variable = (name: string): string | undefined => process.env[name]?.trim() || undefined

/** Data folder of a server started here. */
export const dataDirHere = (): string => homePath(variable('JETTY_DATA_DIR') ?? '~/.jetty')

/** A wildcard address is reached through the loopback address. */
const reachable = (host: string): string => {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

const fromPort = (): string | undefined => {
  const port = variable('JETTY_PORT')
  return port === undefined || port === '0'
    ? undefined
    : `http://${reachable(variable('JETTY_HOST') ?? '127.0.0.1')}:${port}`
}

const noted = (dataDir: string): string | undefined => {
  const url = runningServers(dataDir).find((server) => server.url !== null)?.url
  return url ? reachableUrl(url) : undefined
}

const reachableUrl = (url: string): string => url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')

const parsed = (text: string): string => {
  try {
    const url = new URL(text)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('only http and https are supported')
    return `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/api\/v1$/, '')}`
  } catch (error) {
    throw new AppError('invalid', `${JSON.stringify(text)} is not a server address: ${messageOf(error)}`, {
      hint: 'Write it as https://jetty.example.com or http://127.0.0.1:7070.',
    })
  }
}

/** Tells whether two URLs mean the same server: the loopback interface has several names. */
export const isSameServer = (one: string, other: string): boolean => comparable(one) === comparable(other)

const comparable = (text: string): string => {
  const url = new URL(parsed(text))
  return `${url.protocol}//${isLoopback(text) ? 'loopback' : url.hostname}:${url.port}${url.pathname}`
}

/** Tells whether a URL is on this machine. Clients reach wildcard addresses through loopback. */
export const isLoopback = (text: string): boolean =>
  /^(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\])$/.test(new URL(parsed(text)).hostname)

/**
 * Chooses the server by the first source that names one: `--url`, JETTY_API_URL, JETTY_PORT, the server running on
 * JETTY_DATA_DIR, the last login, the server running on ~/.jetty, and port 7070 of this machine.
 */
export const findServer = (given: string | undefined): FoundServer => {
  const dataDir = dataDirHere()
  const named: (() => [text: string | undefined, source: string])[] = [
    () => [given, '--url'],
    () => [variable('JETTY_API_URL'), 'JETTY_API_URL'],
    () => [fromPort(), 'JETTY_PORT'],
    () => [variable('JETTY_DATA_DIR') && noted(dataDir), `the server that runs on ${dataDir}`],
    () => [readTrimmed(apiBasePath()), apiBasePath()],
    () => [noted(dataDir), `the server that runs on ${dataDir}`],
  ]
  for (const look of named) {
    const [text, source] = look()
    if (text !== undefined) return at(parsed(text), source, dataDir)
  }
  return at(defaultUrl, 'the default', dataDir)
}

const at = (url: string, source: string, dataDir: string): FoundServer => {
  const here = isLoopback(url)
    ? runningServers(dataDir).find((one) => one.url !== null && isSameServer(one.url, url))
    : undefined
  return { url, source, dataDir: here && dataDir, publicUrl: here?.publicUrl || undefined }
}

import { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { AppError, messageOf } from '../errors.ts'
import { isPublicAddress } from '../net/addresses.ts'
import { byteSize } from '../settings/byte-size.ts'

/** How the connection is encrypted, as in libpq; `default` depends on the address. */
const tlsModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
type TlsMode = (typeof tlsModes)[number] | 'default'

/** A database and who signs in to it. */
export interface SqlTarget {
  /** Normalized as in a URL; IPv6 without brackets. */
  host: string
  port: number
  user: string
  password: string | undefined
  database: string
  tls: TlsMode
  /** Whether the password is bound to the encrypted connection, where the server offers that. */
  channelBinding: boolean
  /** Startup options, which some hosts use to route connections. */
  options: string | undefined
}

const expected =
  'Expected postgres://user:password@host:5432/database, with special characters of the password encoded.'

/** Names no part of the URL: it is a secret. */
const invalid = (problem: string, hint = expected): AppError =>
  new AppError('parameter_invalid', `Parameter 'connection': ${problem}`, { hint })

const decoded = (part: string, name: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid(`the ${name} has a % that begins no encoded character`, 'Write % as %25.')
  }
}

/** Options that need nothing from us, or only say what is done anyway. */
const ignored = new Set([
  'application_name',
  'channel_binding',
  'connect_timeout',
  'gssencmode',
  'target_session_attrs',
])

const tlsModeOf = (text: string | null): TlsMode => {
  if (text === null) return 'default'
  if (text === 'allow') return 'prefer'
  const mode = tlsModes.find((one) => one === text)
  if (mode) return mode
  throw invalid('sslmode has an unknown value', `It is one of ${tlsModes.join(', ')}.`)
}

const checkOptions = (options: URLSearchParams): void => {
  for (const [name, value] of options) {
    if (ignored.has(name) || name === 'sslmode' || name === 'options') continue
    if (name === 'sslrootcert' && value === 'system') continue
    // A password with a question mark that is not encoded continues here.
    const isName = /^[a-z_]{1,40}$/.test(name)
    throw invalid(
      isName ? `the option '${name}' is not supported` : 'what follows its question mark is no option of a connection',
      /^ssl(cert|key|rootcert)$/.test(name)
        ? 'Files of the server are not read. Give the certificate as ca_certificate.'
        : isName
          ? 'Remove it from the URL.'
          : 'Write ? in a password as %3F.',
    )
  }
}

/** The host as web addresses normalize it: lower case, punycode, decimal addresses expanded. */
const hostOf = (url: URL): string => {
  const written = url.hostname
  if (written === '') throw invalid('it has no host', 'Local sockets are not used. Name the host, such as localhost.')
  if (/[,%]/.test(written) || !URL.canParse(`http://${written}`)) {
    throw invalid('its host is not one host name or address')
  }
  return new URL(`http://${written}`).hostname.replace(/^\[|\]$/g, '')
}

/** Reads a connection URL. Nothing comes from files or variables of the server, as it would with libpq. */
export const readConnectionUrl = (text: string): SqlTarget => {
  const trimmed = text.trim()
  if (!/^postgres(ql)?:\/\//i.test(trimmed) || !URL.canParse(trimmed)) throw invalid('it is not a URL of PostgreSQL')
  const url = new URL(trimmed)
  checkOptions(url.searchParams)
  const user = decoded(url.username, 'user name')
  if (user === '') throw invalid('it has no user name')
  const database = decoded(url.pathname.replace(/^\//, ''), 'database') || user
  if ([user, database].some((name) => name.includes('\0'))) throw invalid('it has a NUL character')
  return {
    host: hostOf(url),
    port: Number(url.port || 5432),
    user,
    password: url.password === '' ? undefined : decoded(url.password, 'password'),
    database,
    tls: tlsModeOf(url.searchParams.get('sslmode')),
    channelBinding: url.searchParams.get('channel_binding') === 'require',
    options: url.searchParams.get('options') ?? undefined,
  }
}

/** A connection, and what a second one to the same server needs. */
export interface SqlConnection {
  client: pg.Client
  address: string
  tls: ConnectionOptions | false
}

const connectSeconds = 10
/** Largest message of a server beside its rows: errors, descriptions of columns. */
const ownBytes = 1024 * 1024

/** Encryption of a connection, in the order in which it is tried. */
const tlsOptions = (
  mode: TlsMode,
  { host, address, ca }: { host: string; address: string; ca: string | undefined },
): (ConnectionOptions | false)[] => {
  const named = { ...(ca === undefined ? {} : { ca }), ...(host === address ? { host } : { servername: host }) }
  const verified: ConnectionOptions = { ...named, rejectUnauthorized: true }
  const signed: ConnectionOptions = { ...verified, checkServerIdentity: () => undefined }
  const unverified: ConnectionOptions = ca === undefined ? { ...named, rejectUnauthorized: false } : signed
  switch (mode) {
    case 'disable':
      return [false]
    case 'require':
      return [unverified]
    case 'verify-ca':
      return [signed]
    case 'verify-full':
      return [verified]
    case 'default':
    case 'prefer':
      // Plain text is for private networks: elsewhere anybody on the way could ask for it.
      return isPublicAddress(address) || ca !== undefined ? [verified] : [unverified, false]
  }
}

/**
 * The options of pg, each of them given: what is missing it would take from variables and files of the server, and send
 * the password of another database.
 */
const clientOptions = (target: SqlTarget, address: string, tls: ConnectionOptions | false) => ({
  host: address,
  port: target.port,
  user: target.user,
  database: target.database,
  password: () => target.password ?? '',
  ssl: tls,
  sslnegotiation: 'postgres' as const,
  client_encoding: 'UTF8',
  application_name: 'jetty',
  fallback_application_name: 'jetty',
  connectionTimeoutMillis: connectSeconds * 1000,
  keepAlive: true,
  enableChannelBinding: target.channelBinding,
  stream: () => new Socket(),
})

type Inside = pg.Client & {
  connection: { stream: Socket; on(event: string, listener: () => void): void }
  connectionParameters: { options: string | undefined }
}

const tooLarge = (most: number): AppError =>
  new AppError('too_large', `The database sent a row or a message of more than ${byteSize(most)}`, {
    hint: 'Select less of it, or raise max_bytes.',
  })

/** Ends a connection whose server sends a message that is too large for memory. */
const boundMessages = ({ connection }: Inside, event: 'connect' | 'sslconnect', most: () => number): void => {
  let bytes = 0
  connection.on('message', () => {
    bytes = 0
  })
  connection.on(event, () => {
    const { stream } = connection
    stream.prependListener('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > most()) stream.destroy(tooLarge(most()))
    })
  })
}

/** Connects to one checked address, encrypted in one way. */
const connectOnce = async (
  target: SqlTarget,
  { address, tls, maxBytes }: { address: string; tls: ConnectionOptions | false; maxBytes: number },
): Promise<pg.Client> => {
  const client = new pg.Client(clientOptions(target, address, tls)) as Inside
  client.connectionParameters.options = target.options
  client.on('error', () => {}) // the statement under way fails with it
  let isConnected = false
  boundMessages(client, tls ? 'sslconnect' : 'connect', () => (isConnected ? maxBytes : 0) + ownBytes)
  try {
    await client.connect()
    isConnected = true
    return client
  } catch (error) {
    client.connection.stream.destroy()
    throw error
  }
}

const isUnreachable = (error: unknown): boolean =>
  /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EADDRNOTAVAIL)$/.test(String((error as { code?: unknown }).code))

const isPlainServer = (error: unknown): boolean => /does not support SSL/.test(messageOf(error))

/** Connects to the first address that answers. They were checked, and no name is resolved again. */
export const connectSql = async (
  target: SqlTarget,
  addresses: readonly string[],
  { ca, maxBytes }: { ca: string | undefined; maxBytes: number },
): Promise<SqlConnection> => {
  let failure: unknown = new AppError('network_failed', `The host '${target.host}' has no address`)
  for (const address of addresses.slice(0, 4)) {
    for (const tls of tlsOptions(target.tls, { host: target.host, address, ca })) {
      try {
        return { client: await connectOnce(target, { address, tls, maxBytes }), address, tls }
      } catch (error) {
        failure = error
        if (!isPlainServer(error)) break
      }
    }
    if (!isUnreachable(failure)) throw failure
  }
  throw failure
}

import { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { AppError, messageOf } from '../errors.ts'
import { isPublicAddress } from '../net/addresses.ts'
import { byteSize } from '../settings/byte-size.ts'
import type { SqlTarget, TlsMode } from './connection-url.ts'

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

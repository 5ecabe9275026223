import { connect as connectTo, type Socket } from 'node:net'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { AllowRule } from '../../lib/net/addresses.ts'
import { checkedAddresses, type LookUp } from '../../lib/net/agent.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import type { GatewayLimits } from './limits.ts'
import type { SandboxNetwork } from './sandbox-gateway.ts'

/** A host and a port that a sandbox asks for. */
export interface Destination {
  host: string
  port: number
  /** The host for messages, and for comparing it with lists of hosts. */
  url: URL
}

/** Reads `host:port` of CONNECT, or an http URL. The host is normalised as in a URL. */
export const readDestination = (target: string): Destination | undefined => {
  const isUrl = /^http:\/\//i.test(target)
  const named = /^(\[[0-9a-f:.]+\]|[^:/?#@\s[\]]+):(\d{1,5})$/i.exec(target)
  const text = isUrl ? target : `https://${target}/`
  if ((!isUrl && !named) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const port = Number(isUrl ? url.port || 80 : named?.[2])
  if (url.hostname === '' || port < 1 || port > 65_535 || url.username !== '' || url.password !== '') return undefined
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, url }
}

const closed = (): AppError =>
  new AppError('address_refused', 'This runbook has no network access: it can reach only its models')
const unlisted = (host: string): AppError =>
  new AppError('address_refused', `'${host}' is not among the hosts that this sandbox may reach`)
const isPrivate = (host: string): AppError =>
  new AppError(
    'address_refused',
    `'${host}' has a private, local or reserved address, or one of this machine, which no sandbox may reach`,
  )

/** Whether an agent may use a port: of the reserved ones only those of the web, not mail, shells or file servers. */
const isUsualPort = (port: number): boolean => port === 80 || port === 443 || port >= 1024

const requirePort = ({ host, port, url }: Destination, network: SandboxNetwork): void => {
  if (isUsualPort(port)) return
  const named = network.mode === 'hosts' ? network.hosts.filter((entry) => entry.endsWith(`:${port}`)) : []
  try {
    requireAllowedHost(url, named)
  } catch {
    const found = `Port ${port} of '${host}' may not be reached: only 80, 443 and ports from 1024 on`
    throw new AppError('address_refused', `${found}, unless allowed_hosts names '${host}:${port}'`)
  }
}

const requireListed = ({ host, url }: Destination, list: readonly string[] | undefined): void => {
  try {
    requireAllowedHost(url, list)
  } catch {
    throw unlisted(host)
  }
}

/**
 * The checked addresses of a destination. A name is resolved once, and only checked addresses are connected to. Private
 * addresses that the server itself may reach are not for sandboxes. Throws `address_refused`, before the look-up if the
 * host itself is not allowed.
 */
const addressesOf = async (
  destination: Destination,
  rules: {
    network: SandboxNetwork
    allowedHosts: readonly string[] | undefined
    trusted?: AllowRule[]
    lookup?: LookUp
    /** Addresses of this machine. */
    own?: () => readonly string[]
  },
): Promise<string[]> => {
  const { network, allowedHosts, trusted = [], lookup, own } = rules
  if (network.mode === 'models') throw closed()
  if (network.mode === 'hosts') requireListed(destination, network.hosts)
  requireListed(destination, allowedHosts)
  requirePort(destination, network)
  const { host, port } = destination
  try {
    const machine = { ...(lookup && { lookup }), ...(own && { ownAddresses: own }) }
    return await checkedAddresses(host, port, { allowPrivateNetwork: trusted, ...machine })
  } catch (error) {
    throw error instanceof AppError && error.code === 'address_refused' ? isPrivate(host) : error
  }
}

/** Connects to an address that was checked. */
export type Dial = (address: string, port: number) => Socket

export interface HostConnectionOptions {
  network: SandboxNetwork
  /** Hosts that the collection may reach: both lists must allow a host. */
  allowedHosts: readonly string[] | undefined
  /** Private addresses that may be reached all the same. */
  trusted?: AllowRule[]
  limits: GatewayLimits
  moved(): void
  lookup?: LookUp
  dial?: Dial
  own?: () => readonly string[]
}

/** The connections of a sandbox to hosts, and the bytes that they have moved. */
export interface HostConnections {
  /** Connects to the first checked address of a host that accepts. */
  reach(destination: Destination): Promise<Socket>
  /** Closes a connection that is silent or exceeds the limit. Returns the function to call whenever bytes move. */
  watch(socket: Socket): () => void
  close(): void
  readonly isClosed: boolean
}

const mostAddresses = 4

const usedUp = (): AppError =>
  new AppError('address_refused', 'This sandbox has used up its limit of transferred bytes')

export const makeHostConnections = (options: HostConnectionOptions): HostConnections => {
  const { limits, moved, dial = (host, port) => connectTo({ host, port, noDelay: true }) } = options
  const open = new Set<Socket>()
  let bytes = 0
  let isClosed = false

  const connect = (address: string, port: number): Promise<Socket> => {
    const socket = dial(address, port)
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    return connected(socket, limits.connectSeconds)
  }

  return {
    async reach(destination) {
      if (bytes >= limits.hostBytes) throw usedUp()
      let problem: unknown
      for (const address of (await addressesOf(destination, options)).slice(0, mostAddresses)) {
        if (isClosed) break
        try {
          return await connect(address, destination.port)
        } catch (error) {
          problem = error
        }
      }
      throw new AppError('network_failed', `'${destination.host}' cannot be reached: ${messageOf(problem)}`)
    },
    watch(socket) {
      let seen = 0
      const count = () => {
        moved()
        const now = socket.bytesRead + socket.bytesWritten
        bytes += now - seen
        seen = now
        if (bytes > limits.hostBytes) socket.destroy()
      }
      socket.once('close', count)
      socket.setTimeout(limits.insideIdleSeconds * 1000, () => socket.destroy())
      return count
    },
    close() {
      isClosed = true
      for (const socket of open) socket.destroy()
    },
    get isClosed() {
      return isClosed
    },
  }
}

const connected = (socket: Socket, seconds: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const late = () => socket.destroy(new Error('the connection was not made in time'))
    const timer = setTimeout(late, seconds * 1000)
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('the connection was closed'))
    })
    socket.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(socket)
    })
  })

import { lookup as dnsLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { AppError, messageOf } from '../errors.ts'
import { type AllowRule, type GuardedTargets, mayConnect } from './addresses.ts'

/** Resolves a host to all its addresses. */
export type LookUp = (host: string) => Promise<string[]>

export interface GuardOptions extends GuardedTargets {
  /** Private addresses that are allowed. */
  allowPrivateNetwork: AllowRule[]
  connectTimeoutSeconds?: number
  /** For tests; default: the system's resolver. */
  lookup?: LookUp
  /** PEM certificates to trust instead of Node's own. */
  trustedCertificates?: string
}

const systemLookup: LookUp = async (host) =>
  // IPv4 first: with a broken IPv6 route, trying it first costs a whole connection timeout.
  (await dnsLookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address)

const refused = (host: string, port: number): AppError =>
  new AppError(
    'address_refused',
    `'${host}' has a private, local or reserved address, or an address of this machine, which may not be called`,
    {
      hint: `To allow it, add '${host.includes(':') ? `[${host}]` : host}:${port}' to JETTY_ALLOW_PRIVATE_NETWORK and restart the server.`,
    },
  )

const notFound = (host: string, cause: unknown): AppError =>
  new AppError('network_failed', `The host '${host}' was not found: ${messageOf(cause)}`, {
    hint: 'Check the spelling of the URL, and that the server can resolve DNS names.',
    cause,
  })

/** Resolves and checks the addresses of a host; one refused address refuses the host. */
export const checkedAddresses = async (host: string, port: number, options: GuardOptions): Promise<string[]> => {
  const addresses = isIP(host)
    ? [host]
    : await (options.lookup ?? systemLookup)(host).catch((cause) => Promise.reject(notFound(host, cause)))
  if (addresses.length === 0) throw notFound(host, 'it has no address')
  if (!addresses.every((address) => mayConnect(address, host, port, options.allowPrivateNetwork, options))) {
    throw refused(host, port)
  }
  return addresses
}

/**
 * Makes the undici agent for all outgoing requests. It resolves a name once, checks every address, and connects to a
 * checked one, so that DNS rebinding has no effect. Refuses with `address_refused`.
 */
export const makeGuardedAgent = (options: GuardOptions): Agent => {
  const open = buildConnector({
    timeout: (options.connectTimeoutSeconds ?? 10) * 1000,
    ...(options.trustedCertificates !== undefined && { ca: options.trustedCertificates }),
  })
  type Opened = Parameters<buildConnector.Callback>
  const openOne = (target: buildConnector.Options) =>
    new Promise<Opened>((resolve) => open(target, (...opened) => resolve(opened)))

  const connect = async (target: buildConnector.Options): Promise<Opened> => {
    const port = Number(target.port || (target.protocol === 'https:' ? 443 : 80))
    const addresses = await checkedAddresses(target.hostname, port, options)
    let opened: Opened | undefined
    // The certificate is still checked against the name: `host` and `servername` stay unchanged.
    for (const hostname of addresses.slice(0, 4)) {
      opened = await openOne({ ...target, hostname })
      if (opened[0] === null) break
    }
    return opened!
  }

  return new Agent({
    connect: (target, callback) => {
      connect(target).then(
        (opened) => callback(...opened),
        (error) => callback(error, null),
      )
    },
    keepAliveTimeout: 10_000,
  })
}

import { AppError } from '../lib/errors.ts'
import { checkedAddresses, type LookUp } from '../lib/net/agent.ts'
import { requireAllowedHost } from '../lib/net/hosts.ts'
import type { SandboxNetwork } from './sandbox-gateway.ts'

/** A host and a port that the inside asks for. */
export interface Destination {
  host: string
  port: number
  /** As it is shown, and looked up in lists of hosts. */
  url: URL
}

/** Reads `host:port` as CONNECT has it, or an http URL; the host is spelled as every URL spells it. */
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
  new AppError('address_refused', 'this runbook has no network: it reaches its models and nothing else')
const unlisted = (host: string): AppError =>
  new AppError('address_refused', `'${host}' is not among the hosts that this runbook may reach`)
const isPrivate = (host: string): AppError =>
  new AppError(
    'address_refused',
    `'${host}' is at a private, local or reserved address, or at one of this machine, which no runbook reaches`,
  )

/** Of the ports that systems keep for themselves, those of the web: mail, shells and file servers are not for agents. */
const isUsualPort = (port: number): boolean => port === 80 || port === 443 || port >= 1024

const requirePort = ({ host, port, url }: Destination, network: SandboxNetwork): void => {
  if (isUsualPort(port)) return
  const named = network.mode === 'hosts' ? network.hosts.filter((entry) => entry.endsWith(`:${port}`)) : []
  try {
    requireAllowedHost(url, named)
  } catch {
    const found = `port ${port} of '${host}' is not reached: only 80, 443 and those from 1024 on are`
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
 * The addresses that a destination may be reached at, each of them checked: a name is looked up once, and what was checked
 * is what is connected to. What the server may reach beside the public internet is not for the inside. Throws
 * `address_refused`, before anything is looked up where the host itself is not allowed.
 */
export const addressesOf = async (
  destination: Destination,
  rules: {
    network: SandboxNetwork
    allowedHosts: readonly string[] | undefined
    lookup?: LookUp
    /** Addresses of this machine. */
    own?: () => readonly string[]
  },
): Promise<string[]> => {
  const { network, allowedHosts, lookup, own } = rules
  if (network.mode === 'models') throw closed()
  if (network.mode === 'hosts') requireListed(destination, network.hosts)
  requireListed(destination, allowedHosts)
  requirePort(destination, network)
  const { host, port } = destination
  try {
    const machine = { ...(lookup && { lookup }), ...(own && { ownAddresses: own }) }
    return await checkedAddresses(host, port, { allowPrivateNetwork: [], ...machine })
  } catch (error) {
    throw error instanceof AppError && error.code === 'address_refused' ? isPrivate(host) : error
  }
}

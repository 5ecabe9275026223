import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import { AppError } from '../errors.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** One entry of JETTY_ALLOW_PRIVATE_NETWORK. Without a port it allows every port. */
export type AllowRule =
  | { kind: 'any' }
  | { kind: 'host'; host: string; port: number | undefined }
  | { kind: 'range'; network: Address; bits: number; port: number | undefined }

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
// Azure serves instance metadata, secrets included, at this address, which looks public.
const looksPublic = ipaddr.IPv4.parse('168.63.129.16').toString()

const bareHost = (host: string): string => host.replace(/^\[|\]$/g, '').replace(/\.$/, '')

/** Whether an address belongs to the public internet; private, local, shared, translated and reserved ones do not. */
export const isPublicAddress = (text: string): boolean => {
  const address = ipaddr.process(text)
  if (address.range() !== 'unicast' || address.toString() === looksPublic) return false
  return address.kind() === 'ipv4' || address.match(globalUnicast)
}

/** Addresses of this host, public ones too. Read each time: they change while a server runs. */
const addressesHere = (): string[] =>
  Object.values(networkInterfaces()).flatMap((found) => found?.map(({ address }) => address) ?? [])

/** Addresses and ports of this host that must not be called. */
export interface GuardedTargets {
  /** For tests; default: the network interfaces. */
  ownAddresses?: () => readonly string[]
  /** Ports of the server itself that only a rule with that very port opens: Postgres and metrics. */
  guardedPorts?: readonly number[]
}

const isOneOf = (address: Address, texts: readonly string[]): boolean =>
  texts.some((text) => ipaddr.process(text).toNormalizedString() === address.toNormalizedString())

/**
 * Whether a connection to this address is allowed; `host` and `port` are what the URL says. A public address of this
 * host counts as private: a connection from inside bypasses whatever guards the host from outside.
 */
export const mayConnect = (
  address: string,
  host: string,
  port: number,
  rules: AllowRule[],
  { ownAddresses = addressesHere, guardedPorts = [] }: GuardedTargets = {},
): boolean => {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address)
  const isOwn = isOneOf(parsed, ownAddresses())
  if (!isOwn && isPublicAddress(address)) return true
  const isHere = isOwn || ['loopback', 'unspecified'].includes(parsed.range())
  const isGuarded = isHere && guardedPorts.includes(port)
  const name = bareHost(host).toLowerCase()
  return rules.some((rule) => {
    if (rule.kind === 'any') return !isGuarded
    if (rule.port === undefined ? isGuarded : rule.port !== port) return false
    if (rule.kind === 'host') return rule.host === name
    return parsed.kind() === rule.network.kind() && parsed.match([rule.network, rule.bits])
  })
}

const parseEntry = (entry: string): AllowRule | undefined => {
  if (entry === '*') return { kind: 'any' }
  if (ipaddr.isValidCIDR(entry)) {
    const [network, bits] = ipaddr.parseCIDR(entry)
    return { kind: 'range', network, bits, port: undefined }
  }
  // A bare IPv6 address would read as host and port.
  const withBrackets = ipaddr.IPv6.isValid(entry) ? `[${entry}]` : entry
  const [, host, port] = /^(\[[^\]]+\]|[^:/?#@\s]+)(?::(\d{1,5}))?$/.exec(withBrackets) ?? []
  if (host === undefined || Number(port ?? 1) > 65_535 || !URL.canParse(`http://${host}`)) return undefined
  // Normalized as in a request's URL: lower case, punycode, decimal addresses expanded.
  const name = bareHost(new URL(`http://${host}`).hostname)
  const number = port === undefined ? undefined : Number(port)
  if (!ipaddr.isValid(name)) return { kind: 'host', host: name, port: number }
  const network = ipaddr.process(name)
  return { kind: 'range', network, bits: network.kind() === 'ipv4' ? 32 : 128, port: number }
}

/** Reads JETTY_ALLOW_PRIVATE_NETWORK: hosts, host:port, addresses, CIDR ranges, or `*`. Throws `invalid`. */
export const parseAllowRules = (text: string | string[]): AllowRule[] =>
  (typeof text === 'string' ? text.split(',') : text)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry) => {
      const rule = parseEntry(entry)
      if (rule) return rule
      throw new AppError(
        'invalid',
        `JETTY_ALLOW_PRIVATE_NETWORK: '${entry}' is not a host, host:port, CIDR range or *`,
        {
          hint: 'For example: JETTY_ALLOW_PRIVATE_NETWORK=localhost:11434,10.0.0.0/8',
        },
      )
    })

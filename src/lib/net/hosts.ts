import { AppError } from '../errors.ts'

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'https:' ? 443 : 80))

const matches = (entry: string, url: URL): boolean => {
  const [, name = '', port] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
  if (port !== undefined && Number(port) !== portOf(url)) return false
  const host = url.hostname.replace(/\.$/, '')
  return name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name
}

/**
 * Throws `address_refused` when a URL's host is not allowed: `api.example.com`, `*.example.com` for every subdomain,
 * either with an optional port. Undefined allows every host.
 */
export const requireAllowedHost = (url: URL, allowed: readonly string[] | undefined): void => {
  if (allowed === undefined || allowed.some((entry) => matches(entry, url))) return
  throw new AppError('address_refused', `The host '${url.host}' is not among the allowed hosts of this collection`, {
    hint: "Add it to the collection's setting allowed_hosts.",
  })
}

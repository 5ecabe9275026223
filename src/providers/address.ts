import type { LookUpVariable, Provider } from './provider.ts'

/** The base URL of a provider and who set it: a lent key is never sent to an address that the caller chose. */
export interface Address {
  base_url: string
  setBy: 'catalogue' | 'server' | 'environment'
}

/** Why a provider has no usable address: a variable is missing, or its value cannot be part of a URL. */
interface NoAddress {
  variable: string
  problem: string | undefined
}

const place = /\{([A-Z][A-Z0-9_]*)(?:=([^}]*))?\}/g
/** Part of a host or a path: nothing that could lead the URL elsewhere. */
const filling = /^[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?$/i

const filled = (template: string, env: LookUpVariable): Address | NoAddress => {
  let fault: NoAddress | undefined
  let setBy: Address['setBy'] = 'catalogue'
  const base_url = template.replace(place, (_, variable: string, preset: string | undefined) => {
    const given = env(variable)?.trim() || undefined
    const value = given ?? preset
    if (value === undefined) fault ??= { variable, problem: undefined }
    else if (!filling.test(value) || value.includes('..')) {
      fault ??= { variable, problem: `${variable} may have only letters, digits, dots and dashes` }
    }
    if (given !== undefined) setBy = 'environment'
    return value ?? ''
  })
  return fault ?? { base_url, setBy }
}

/** Whether a path can be appended. Credentials belong in a header. */
const isBase = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === '')
}

const withoutEnd = (url: string): string => {
  let end = url.length
  while (url[end - 1] === '/') end--
  return url.slice(0, end)
}

/** The base URL of a provider: from the environment, else from the server's settings, else from the catalogue. */
export const baseUrlOf = (
  { base_url: template, base_url_variable: variable = '' }: Provider,
  at: { env: LookUpVariable; serverUrl: LookUpVariable },
): Address | NoAddress => {
  const own = at.env(variable)?.trim()
  if (own && !isBase(own)) {
    return {
      variable,
      problem: `${variable} is not a base URL: expected http or https without credentials, query or fragment`,
    }
  }
  if (own) return { base_url: withoutEnd(own), setBy: 'environment' }
  const servers = template === '' ? undefined : at.serverUrl(variable)
  if (servers) return { base_url: withoutEnd(servers), setBy: 'server' }
  return template === '' ? { variable, problem: undefined } : filled(template, at.env)
}

/** Joins a base URL and a path: many write the base URL with `/v1`, many without. */
export const joined = (base: string, path: string): string =>
  base.endsWith('/v1') && path.startsWith('/v1/') ? base + path.slice('/v1'.length) : base + path

/** The variables that must be set for an address. */
export const addressVariables = ({ base_url: template, base_url_variable: variable }: Provider): string[] =>
  template === ''
    ? [variable ?? '']
    : [...template.matchAll(place)].filter(([, , preset]) => preset === undefined).map(([, name]) => name ?? '')

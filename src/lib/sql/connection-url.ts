import { AppError } from '../errors.ts'

/** How the connection is encrypted, as in libpq; `default` depends on the address. */
const tlsModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type TlsMode = (typeof tlsModes)[number] | 'default'

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

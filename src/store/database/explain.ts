import { AppError, messageOf } from '../../lib/errors.ts'
import { explainOutage } from './away.ts'

const explanations: readonly [cause: RegExp, hint: string][] = [
  [
    /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|self-signed certificate|unable to verify the first certificate/,
    'The certificate of PostgreSQL is signed by a CA that this machine does not know. Name the file of that CA: ' +
      'DATABASE_URL=…?sslmode=verify-full&sslrootcert=/etc/jetty/ca.pem, or NODE_EXTRA_CA_CERTS=/etc/jetty/ca.pem.',
  ],
  [
    /ALTNAME_INVALID|does not match certificate/,
    'The certificate of PostgreSQL is for another host name: use that name in DATABASE_URL.',
  ],
  [/CERT_HAS_EXPIRED|certificate has expired/, 'Renew the certificate of PostgreSQL.'],
  [
    /does not support SSL/,
    'PostgreSQL has TLS disabled: set ssl = on there, or omit sslmode in DATABASE_URL on a trusted network.',
  ],
  [
    /no encryption|no pg_hba\.conf entry/,
    'PostgreSQL requires TLS, or refuses this address: see pg_hba.conf. For TLS add ?sslmode=verify-full to DATABASE_URL.',
  ],
  [
    /unsupported startup parameter/,
    'PgBouncer refuses a parameter in DATABASE_URL: remove it, or list it in ignore_startup_parameters of pgbouncer.ini.',
  ],
  [
    /\b53300\b|too many clients|remaining connection slots/,
    'PostgreSQL has no free connection: lower JETTY_DATABASE_CONNECTIONS of each process, or raise max_connections of PostgreSQL.',
  ],
  [/\b53100\b|No space left/, 'The disk of PostgreSQL is full: free space on it, or enlarge it. Then start again.'],
  [
    /\b42501\b|permission denied/,
    'The role in DATABASE_URL needs CONNECT and CREATE on the database, and CREATE on its schema public: ' +
      'make it the owner of the database (alter database … owner to …).',
  ],
]

const usual = 'Check the address, user name and password in DATABASE_URL, or unset it to use the embedded PostgreSQL.'

/** Explains why DATABASE_URL does not work and what to do; returns any other error unchanged. */
export const explainDatabase = (thrown: unknown): unknown => {
  const error = explainOutage(thrown)
  const isOurs = error instanceof AppError
  const cause = isOurs ? error.cause : error
  const isAway = isOurs && error.code === 'database_unavailable'
  if (!isAway && !(cause instanceof Error && ('severity' in cause || isTls(cause)))) return error
  if (isAway && cause === undefined) return error
  const code = (cause as { code?: string }).code
  const reason = [messageOf(cause), code].filter(Boolean).join(', ')
  const hint = explanations.find(([pattern]) => pattern.test(reason))?.[1]
  if (isOurs && !isAway && !hint) return error
  return new AppError('database_unavailable', `The database cannot be used: ${reason}`, { hint: hint ?? usual, cause })
}

const isTls = ({ message }: Error): boolean => /SSL|certificate/i.test(message)

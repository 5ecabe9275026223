import { expect, test } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { databaseAway, explainDatabase } from './away.ts'

const failure = (message: string, more: object = {}) => Object.assign(new Error(message), more)
const fromPostgres = (code: string, message: string) => failure(message, { code, severity: 'FATAL' })

test.each([
  [failure('unable to verify the first certificate', { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }), 'sslrootcert='],
  [
    failure('self-signed certificate in certificate chain', { code: 'SELF_SIGNED_CERT_IN_CHAIN' }),
    'NODE_EXTRA_CA_CERTS=',
  ],
  [
    failure("Hostname/IP does not match certificate's altnames", { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }),
    'another host name',
  ],
  [failure('The server does not support SSL connections'), 'TLS disabled'],
  [fromPostgres('28000', 'no pg_hba.conf entry for host "10.0.0.1", no encryption'), 'sslmode=verify-full'],
  [fromPostgres('08P01', 'unsupported startup parameter: options'), 'ignore_startup_parameters'],
  [fromPostgres('53300', 'sorry, too many clients already'), 'JETTY_DATABASE_CONNECTIONS'],
  [fromPostgres('42501', 'permission denied for schema public'), 'owner of the database'],
  [
    fromPostgres('28P01', 'password authentication failed for user "jetty"'),
    'Check the address, user name and password',
  ],
  [
    failure('connect ECONNREFUSED 127.0.0.1:5432', { code: 'ECONNREFUSED' }),
    'Check the address, user name and password',
  ],
])('%s', (cause, hint) => {
  const told = {
    code: 'database_unavailable',
    message: expect.stringContaining(cause.message),
    hint: expect.stringContaining(hint),
  }
  expect(explainDatabase(cause)).toMatchObject(told)
  expect(explainDatabase(databaseAway(cause))).toMatchObject(told)
})

test('a migration that may not do something says which privileges are missing', () => {
  const cause = fromPostgres('42501', 'permission denied for schema public')
  const migration = new AppError('internal', 'Migration 0001 failed', { cause })
  expect(explainDatabase(migration)).toMatchObject({ hint: expect.stringContaining('CREATE') })
})

test('any other error stays as it is', () => {
  for (const error of [
    new AppError('conflict', 'The port is taken', { cause: failure('listen EADDRINUSE') }),
    failure('x'),
  ]) {
    expect(explainDatabase(error)).toBe(error)
  }
})

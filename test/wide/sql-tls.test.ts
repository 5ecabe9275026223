// The activity `sql` against a real PostgreSQL that encrypts its connections.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { makeSqlRunner } from '../../src/lib/sql/run-sql.ts'
import { openDatabase } from '../../src/store/database/database.ts'
import { startOrAdoptPostgres } from '../../src/store/database/embedded.ts'
import { postgresPaths } from '../../src/store/database/postgres-folder.ts'

let folder: string
let postgres: Awaited<ReturnType<typeof startOrAdoptPostgres>>
let certificate: string

const run = makeSqlRunner({ allowPrivateNetwork: [{ kind: 'any' }], lookup: async () => ['127.0.0.1'] })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-sql-tls-'))
  chmodSync(folder, 0o755)
  const [key, crt] = [join(folder, 'db.key'), join(folder, 'db.crt')]
  const subject = ['-subj', '/CN=db.example', '-addext', 'subjectAltName=DNS:db.example']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', crt, '-days', '2', ...subject])
  certificate = readFileSync(crt, 'utf8')
  const dataDir = join(folder, 'data')
  postgres = await startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error', name: 'tls' }) })
  // PostgreSQL reads a key only if it is its own file and nobody else may read it.
  const { cluster } = postgresPaths(dataDir)
  const { uid, gid } = statSync(cluster)
  for (const [from, name] of [
    [key, 'server.key'],
    [crt, 'server.crt'],
  ] as const) {
    copyFileSync(from, join(cluster, name))
    execFileSync('chown', [`${uid}:${gid}`, join(cluster, name)])
    chmodSync(join(cluster, name), 0o600)
  }
  const admin = openDatabase(postgres.adminUrl, { connections: 1 })
  await admin.query('alter system set ssl = on')
  await admin.query('select pg_reload_conf()')
  await admin.close()
}, 120_000)
afterAll(async () => {
  await postgres?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** Asks over a connection whether it is encrypted, and how. */
const ask = async (host: string, mode: string, caCertificate?: string) => {
  const url = new URL(postgres.adminUrl)
  url.hostname = host
  url.search = mode
  const text = 'select ssl, version from pg_stat_ssl where pid = pg_backend_pid()'
  const open = await run({
    url: url.href,
    caCertificate,
    ...{ text, written: text, values: [], origin: (at) => at, readOnly: false, mayRepeat: true },
    ...{ timeoutSeconds: 20, maxRows: 5, maxBytes: 10_000, beforeCommit: async () => {} },
  })
  try {
    const rows: unknown[][] = []
    for await (const batch of open.rows) rows.push(...batch)
    await open.finish()
    return rows
  } finally {
    await open.close()
  }
}
const refusal = (...asked: Parameters<typeof ask>) => ask(...asked).catch(({ message }) => message)

it('encrypts, and checks the certificate as the URL says', async () => {
  const encrypted = [[true, 'TLSv1.3']]
  expect(await ask('db.example', '?sslmode=verify-full', certificate)).toEqual(encrypted)
  expect(await ask('db.example', '?sslmode=require')).toEqual(encrypted)
  expect(await refusal('db.example', '?sslmode=verify-full')).toMatch(/is not trusted/)
  expect(await refusal('other.example', '?sslmode=verify-full', certificate)).toMatch(/altnames|not in the cert/i)
  expect(await ask('db.example', '?sslmode=disable')).toEqual([[false, null]])
})

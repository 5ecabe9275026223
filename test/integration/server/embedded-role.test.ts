import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLogger } from '../../../src/lib/log.ts'
import { loadSettings } from '../../../src/lib/settings/config.ts'
import { type Server, startServer } from '../../../src/server/start-server.ts'

let dataDir: string
let server: Server

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'jetty-role-'))
  server = await startServer({
    settings: loadSettings({ JETTY_PORT: '0', JETTY_DATA_DIR: dataDir }),
    log: createLogger({ level: 'silent' }),
  })
})

afterAll(async () => {
  await server.close()
  rmSync(dataDir, { recursive: true, force: true })
})

it('cannot run programs or read the secret key and files of root by SQL', async () => {
  const secret = join(dataDir, 'secret-key')
  expect(statSync(secret).mode & 0o777).toBe(0o600)
  for (const attack of [
    `create temp table a (line text); copy a from program 'cat ${secret}'`,
    `create temp table b (line text); copy b from '${secret}'`,
    `create temp table c (line text); copy c from '/etc/shadow'`,
    `select pg_read_file('${secret}')`,
  ]) {
    await expect(server.database.query(attack), attack).rejects.toThrow('permission denied')
  }
})

it('owns every table of its own', async () => {
  const strangers = await server.database.query(
    `select schemaname, tablename, tableowner from pg_tables
     where schemaname = 'public' and tableowner <> current_user`,
  )
  expect(strangers).toEqual([])
})

it('answers and stores as ever', async () => {
  const answer = await fetch(`${server.url}/api/v1/collections`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'acme' }),
  })
  expect(answer.status).toBe(200)
})

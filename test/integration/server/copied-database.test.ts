// A copy of a database over the same files, and another folder of files under the same database.
import { randomBytes } from 'node:crypto'
import { utimesSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLogger } from '../../../src/lib/log.ts'
import { loadSettings } from '../../../src/lib/settings/config.ts'
import { type Server, startServer } from '../../../src/server/start-server.ts'
import { namedObjects } from '../../../src/store/files/files.ts'
import { folderId } from '../../../src/store/objects/owner.ts'
import { openShell, type Shell } from '../../cli/shell.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { createDatabase, dropDatabase } from '../../database-server.ts'
import type { Body } from '../../server.ts'
import { testPostgres } from '../../shared.ts'

let folder: string
let original: TestDatabase
let first: Server
let copy: Server
let shell: Shell
const copyName = `copy_${process.pid}`
const lines: string[] = []

const secretKey = randomBytes(32).toString('base64')
const envOf = (url: string, dataDir = join(folder, 'data')) => ({
  DATABASE_URL: url,
  JETTY_SECRET_KEY: secretKey,
  JETTY_DATA_DIR: dataDir,
  JETTY_PORT: '0',
  JETTY_METRICS_PORT: '0',
})
const start = (url: string, dataDir?: string, role = 'all') =>
  startServer({
    settings: loadSettings({ ...envOf(url, dataDir), JETTY_ROLE: role }),
    log: createLogger({ level: 'warn', destination: { write: (line: string) => void lines.push(line) } }),
  })
const copyUrl = () => original.url.replace(/[^/]+$/, copyName)

const call = async (server: Server, method: string, path: string, body?: FormData | object): Promise<Body> => {
  const isForm = body instanceof FormData
  const answer = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${server.adminToken}`,
      ...(body && !isForm && { 'content-type': 'application/json' }),
    },
    ...(body && { body: isForm ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return answer.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text
}

const upload = async (server: Server, content: string): Promise<string> => {
  const form = new FormData()
  form.append('file', new Blob([content]), 'note.txt')
  form.append('purpose', 'user_data')
  form.append('collection', 'acme')
  const { id } = await call(server, 'POST', '/api/v1/files', form)
  expect(id).toEqual(expect.any(String))
  return id
}
const contentOf = (server: Server, id: string) => call(server, 'GET', `/api/v1/files/${id}/content`)

const objects = async (server: Server): Promise<string[]> =>
  (await server.database.query<{ object: string }>('select object from files order by object')).map(
    ({ object }) => object,
  )
/** All objects that the server names look a month old, and everything nameless in their parts is swept. */
const sweep = async (server: Server, ids: string[]) => {
  const swept = []
  for (const id of ids) {
    const named = (asked: string[]) => namedObjects(server.database, asked)
    swept.push(await server.objects.sweepUnnamed({ part: Number.parseInt(id.slice(0, 2), 16), days: 7, named }))
  }
  return swept
}
const isPaused = async (server: Server): Promise<string | undefined> => {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text()
  return /^jetty_file_removals_paused (\d)$/m.exec(text)?.[1]
}
const age = (id: string) => {
  const then = new Date(Date.now() - 2 * 86_400_000)
  utimesSync(join(folder, 'data/files/objects', id.slice(0, 2), id.slice(2, 4), id), then, then)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-copied-'))
  original = await createTestDatabase()
  first = await start(original.url)
  await call(first, 'POST', '/api/v1/collections', { name: 'acme' })
})

afterAll(async () => {
  shell?.close()
  await first?.close()
  await dropDatabase((await testPostgres()).url, copyName)
  await original?.drop()
  await rm(folder, { recursive: true, force: true })
})

test('a copy removes no bytes that the original names, be it by a sweep or by a deletion', async () => {
  const both = await upload(first, 'named by both')
  await first.close()
  await createDatabase((await testPostgres()).url, copyName, original.url.split('/').at(-1))
  first = await start(original.url)
  const newer = await upload(first, 'newer than the copy')
  copy = await start(copyUrl(), undefined, 'api')
  await expect.poll(() => isPaused(copy)).toBe('1')
  expect(lines.join('')).toMatch(/is a copy, was restored or was promoted: no bytes of files are removed/)

  const ids = await objects(first)
  expect(ids).toHaveLength(2)
  for (const id of ids) age(id)
  expect(await sweep(copy, ids)).toEqual([undefined, undefined])
  await call(copy, 'DELETE', `/api/v1/files/${both}`)
  expect(await objects(copy)).toEqual([])
  expect([await contentOf(first, both), await contentOf(first, newer)]).toEqual([
    'named by both',
    'newer than the copy',
  ])
  expect(await sweep(first, ids)).toEqual([undefined, undefined]) // nor does the original what the copy names
})

test('jetty storage adopt gives the files to one of them, until the other one uses them again', async () => {
  const ids = await objects(first)
  shell = openShell(first.url ?? '', first.adminToken)
  const { code, json } = await shell.jetty(['storage', 'adopt', '--json'], { env: envOf(original.url) })
  expect([code, json()]).toMatchObject([0, { before: 'copied', folder: join(folder, 'data/files') }])
  const nothing = { setAside: 0, restored: 0, removed: 0 }
  expect(await sweep(first, ids)).toEqual([nothing, nothing])
  expect((await copy.objects.owner()).state).toBe('copied')
  expect((await first.objects.owner()).state).toBe('copied')
  await copy.close()
  await shell.jetty(['storage', 'adopt'], { env: envOf(original.url) })
  expect((await first.objects.owner()).state).toBe('alone')
  const entries = await first.database.query(
    `select actor_kind, target, changes, outcome from audit where operation = 'adoptStorage' order by id`,
  )
  expect(entries).toHaveLength(2)
  expect(entries[0]).toMatchObject({ actor_kind: 'admin', target: join(folder, 'data/files'), outcome: 'done' })
  expect(JSON.parse((entries[0] as { changes: string }).changes)).toMatchObject({ before: 'copied' })
})

test('another folder of files is refused at the start, until it is adopted', async () => {
  const elsewhere = join(folder, 'elsewhere')
  await expect(start(original.url, elsewhere)).rejects.toMatchObject({
    code: 'conflict',
    message: `The folder ${join(elsewhere, 'files')} does not contain the files of this database`,
    hint: expect.stringContaining('jetty storage adopt'),
  })
  await first.close()
  expect((await shell.jetty(['storage', 'adopt'], { env: envOf(original.url, elsewhere) })).stdout).toContain(
    `${join(elsewhere, 'files')} belongs to this database`,
  )
  await expect(start(original.url)).rejects.toThrow('does not contain the files of this database')
  await shell.jetty(['storage', 'adopt'], { env: envOf(original.url) })
  first = await start(original.url)
  expect(folderId(join(folder, 'data/files'))).not.toBe(folderId(join(elsewhere, 'files')))
})

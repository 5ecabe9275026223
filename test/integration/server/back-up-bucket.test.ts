// Backs up a server whose files are in a bucket, and restores it into another part of that.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadSettings } from '../../../src/lib/settings/config.ts'
import { type BackedUp, backUpServer } from '../../../src/server/local/back-up-server.ts'
import { checkBackupFile, restoreServer } from '../../../src/server/local/restore-server.ts'
import { connectForCopy } from '../../../src/store/database/copy.ts'
import { createDatabase, dropDatabase } from '../../database-server.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/s3.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { testPostgres } from '../../shared.ts'

const passphrase = 'a passphrase of this test'
const name = `from_bucket_${process.pid}`
const [large, small] = [randomBytes(300_000), Buffer.from('small')]

let fake: FakeS3
let jetty: TestServer
let folder: string
const backups = () => join(folder, 'backups/')

const upload = async (bytes: Uint8Array) => {
  const form = new FormData()
  form.append('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), 'data.bin')
  form.append('collection', 'acme')
  expect((await jetty.call('POST', '/api/v1/files/upload', form)).status).toBe(200)
}

/** Keys of the objects below a prefix of the bucket, with their bytes. */
const objectsOf = (prefix: string) =>
  new Map(
    [...fake.objects]
      .filter(([key]) => key.startsWith(`${prefix}/objects/`))
      .map(([key, { bytes }]) => [key.slice(prefix.length), bytes.toString('base64')]),
  )

const query = async (url: string, text: string) => {
  const client = await connectForCopy(url, 'jetty test')
  const { rows } = await client.query(text).finally(() => client.end())
  return rows
}

const backUp = (env: Record<string, string> = fake.env, options: { to?: string; keep?: number } = {}) => {
  const variables = { DATABASE_URL: jetty.database.url, JETTY_DATA_DIR: jetty.dataDir, ...env }
  return backUpServer({
    settings: loadSettings(variables),
    variables,
    to: options.to ?? backups(),
    keep: options.keep,
    passphrase,
    withSecretKey: true,
    withFiles: true,
    onProgress: () => {},
    signal: new AbortController().signal,
  })
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-bucket-backups-'))
  fake = await startFakeS3()
  jetty = await startTestServer({ env: fake.env })
  await upload(large)
  await upload(small)
  await createDatabase((await testPostgres()).url, name)
})
afterAll(async () => {
  fake.misbehave = () => undefined
  await dropDatabase((await testPostgres()).url, name)
  await jetty?.close()
  await fake?.close()
  rmSync(folder, { recursive: true, force: true })
})

it('refuses to back up with the files or the key of another server', async () => {
  await expect(backUp({})).rejects.toMatchObject({ code: 'conflict' }) // files on disk
  const other = { ...fake.env, JETTY_SECRET_KEY: randomBytes(32).toString('base64') }
  await expect(backUp(other)).rejects.toThrow(/is not the one of the database/)
  await expect(backUp({ ...fake.env, JETTY_DATA_DIR: join(folder, 'none') })).rejects.toThrow(/no encryption key/)
  expect(readdirSync(backups()).filter((file) => /backup$|part$/.test(file))).toEqual([])
})

it('reads the bucket on where it has cut the connection, and a second time copies nothing', async () => {
  mkdirSync(join(jetty.dataDir, 'spill'), { recursive: true })
  writeFileSync(join(jetty.dataDir, 'spill', `a-${process.pid}-b-c-0.calls`), 'a damaged line\n')
  await query(
    jetty.database.url,
    'create table "of another; program" (id int); insert into "of another; program" values (1)',
  )
  const half = join(backups(), '20260101T000000Z-0a1b.backup.1.part') // of a backup that was killed
  writeFileSync(half, 'half')
  let cuts = 0
  fake.misbehave = ({ method, key }) =>
    method === 'GET' && key.includes('/objects/') && cuts++ === 0 ? 'half' : undefined
  const made: BackedUp[] = [await backUp(), await backUp(fake.env, { keep: 1 })]
  expect(cuts).toBeGreaterThan(1)
  expect(existsSync(half)).toBe(false)
  expect(made).toMatchObject([
    { objects: 2, object_bytes: 300_005, objects_copied: 2, has_secret_key: true, lost: [], damaged: [] },
    { objects: 2, objects_copied: 0, removed_backups: 1, removed_objects: 0 },
  ])
})

it('restores rows, bytes, calls and the key into another part of the bucket, and leaves foreign tables out', async () => {
  const url = (await testPostgres()).url.replace(/[^/]+$/, name)
  const env = {
    ...fake.env,
    JETTY_STORAGE: fake.location.replace('/jetty?', '/restored?'),
    DATABASE_URL: url,
    JETTY_DATA_DIR: join(folder, 'data'),
  }
  const given = { settings: loadSettings(env), variables: env, from: backups(), passphrase, onProgress: () => {} }
  const [rotten = ''] = readdirSync(join(backups(), 'objects'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.includes('-'))
    .map((path) => join(backups(), 'objects', path))
  const whole = readFileSync(rotten)
  writeFileSync(rotten, whole.subarray(1))
  await expect(checkBackupFile(given)).rejects.toThrow(/object [0-9a-f-]{36} cannot be decrypted/)
  writeFileSync(rotten, whole)
  const two = await Promise.allSettled([restoreServer(given), restoreServer(given)])
  const made = two.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  expect(made).toMatchObject([{ objects: 2, objects_stored: 2, foreign_tables: ['of another; program'] }])
  expect(two.find((one) => one.status === 'rejected')).toMatchObject({ reason: { code: 'conflict' } })
  expect(objectsOf('restored')).toEqual(objectsOf('jetty'))
  expect([...objectsOf('restored').values()].sort()).toEqual([large, small].map((one) => one.toString('base64')).sort())
  expect(readFileSync(join(folder, 'data/secret-key'), 'utf8').trim()).toBe(
    readFileSync(join(jetty.dataDir, 'secret-key'), 'utf8').trim(),
  )
  expect(readdirSync(join(folder, 'data/spill'))).toEqual([`restored-nobody-a-${process.pid}-b-c-0.calls`])
  const files = 'select path, object, size, sha256 from files order by path'
  expect(await query(url, files)).toEqual(await query(jetty.database.url, files))
  const [claim] = await query(url, `select value from server where key = 'files-folder'`)
  expect(claim.value).toBe(fake.objects.get('restored/id')?.bytes.toString().trim())
  expect((await query(url, `select value from server where key = 'restore'`))[0].value).toContain('"held"')
})

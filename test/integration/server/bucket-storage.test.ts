// A server whose files are in a bucket: what it does while the bucket is away, refuses it, or has lost an object.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/s3.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeS3
let jetty: TestServer
/** The bucket of a user, with keys of its own. */
let theirs: FakeS3
const logged: Record<string, unknown>[] = []
beforeAll(async () => {
  fake = await startFakeS3()
  theirs = await startFakeS3({ bucketName: 'team-data', accessKeyId: 'AKIDTEAM', secretAccessKey: 'team/secret+key' })
  const drain = { JETTY_DRAIN_SECONDS: '0' } // it is asked whether it is ready
  const env = { ...fake.env, ...drain, JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' }
  jetty = await startTestServer({ env, onLog: (line) => logged.push(line) })
  jetty.leaks.remember('the secret key of the bucket', fake.secretAccessKey)
  jetty.leaks.remember('the secret key of a user', theirs.secretAccessKey)
})
afterAll(async () => {
  fake.misbehave = () => undefined
  await jetty?.close()
  await fake?.close()
  await theirs?.close()
})

const away = () => {
  fake.misbehave = () => 'slow_down'
}
const back = () => {
  fake.misbehave = () => undefined
}

const upload = (bytes: Uint8Array) => {
  const form = new FormData()
  form.append('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), 'data.bin')
  form.append('collection', 'acme')
  return jetty.call('POST', '/api/v1/files/upload', form)
}
const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${jetty.url}/api/v1/file/${path}`, {
    headers: { authorization: `Bearer ${jetty.server.adminToken}`, ...headers },
  })

const saving: Workflow = {
  init_params: { text: 'kept through the outage' },
  step_configs: {
    save: { activity: 'save_text_file', text_path: 'init_params.text', filename: 'a.txt', timeout_sec: 3 },
  },
  steps: ['save'],
}

const objectKeys = () => [...fake.objects.keys()].filter((key) => key.startsWith('jetty/objects/'))

describe('a server with its files in a bucket', { timeout: 180_000 }, () => {
  it('keeps uploads there, whole and in ranges, and removes them', async () => {
    const bytes = randomBytes(9 * 1024 * 1024)
    const { status, body } = await upload(bytes)
    expect(status).toBe(200)
    expect(objectKeys()).toHaveLength(1)
    expect(fake.uploads.size).toBe(0)
    const whole = await get(body.path)
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true)
    const range = await get(body.path, { range: 'bytes=8388600-8388615' })
    expect([range.status, range.headers.get('content-range')]).toEqual([206, `bytes 8388600-8388615/${bytes.length}`])
    expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(8388600, 8388616))).toBe(true)
    await jetty.call('DELETE', `/v1/files/${body.id}`)
    expect(objectKeys()).toEqual([])
    expect((await get(body.path)).status).toBe(404)
  })

  it('lets a run wait while the bucket is away, beyond the time limit of its step, and says so', async () => {
    const task = await jetty.task(saving)
    away()
    const { trajectory_id: id } = await jetty.start(task)
    const waiting = await jetty.until(task, id, (run) => JSON.stringify(run).includes('waits for the storage of files'))
    expect(waiting.status).toBe('running')
    const ready: Body = await (await fetch(`${jetty.url}/ready`)).json()
    expect([ready.ready, ready.storage.ok]).toEqual([true, false])
    expect(ready.storage.reason).toContain('SlowDown')
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    back()
    const done = await jetty.until(task, id, (run) => run.status !== 'running')
    expect([done.status, done.error]).toEqual(['completed', null])
    expect(JSON.stringify(done)).toContain('The storage of files answers again')
    expect(await (await get(done.steps.save.outputs.path)).text()).toBe('kept through the outage')
  })

  it('answers 503 to an upload while the bucket is away, and keeps nothing of it', async () => {
    const before = objectKeys().length
    away()
    const { status, body, headers } = await upload(randomBytes(1000))
    back()
    expect([status, headers.get('retry-after')]).toEqual([503, '5'])
    expect(body.detail).toContain('The storage s3://acme-files/jetty refused a request: SlowDown')
    expect(objectKeys()).toHaveLength(before)
  })

  it('accepts and executes runs without files while the bucket is away', async () => {
    away()
    const result = await jetty.run({
      init_params: {},
      step_configs: { a: { activity: 'text_echo', text: 'x' } },
      steps: ['a'],
    })
    back()
    expect(result.status).toBe('completed')
  })

  it('tells lost bytes from a file that never was', async () => {
    const { body } = await upload(Buffer.from('lost'))
    for (const key of objectKeys()) fake.objects.delete(key)
    const lost = await get(body.path)
    expect(lost.status).toBe(500)
    expect(((await lost.json()) as Body).detail).toMatch(
      /^The bytes of this file are lost: object [0-9a-f-]{36} is not in s3:/,
    )
    expect(logged.some(({ msg }) => String(msg).startsWith('data loss'))).toBe(true)
    expect((await get('acme/none/x.txt')).status).toBe(404)
  })

  it('shares the bucket with another process, and refuses one with other files', async () => {
    const { body } = await upload(Buffer.from('shared'))
    const second = await startTestServer({ env: { ...fake.env, JETTY_ROLE: 'api' }, beside: jetty })
    const read = await fetch(`${second.url}/api/v1/file/${body.path}`, {
      headers: { authorization: `Bearer ${second.server.adminToken}` },
    })
    expect(await read.text()).toBe('shared')
    await second.close()
    await expect(startTestServer({ env: { JETTY_ROLE: 'api' }, beside: jetty })).rejects.toMatchObject({
      code: 'conflict',
    })
  })
})

describe('the bucket of a collection', { timeout: 180_000 }, () => {
  const info = (more: Body = {}) => ({
    ...{ bucket: 'team-data', path_prefix: '/ml/', region: 'eu-test-1', endpoint: theirs.url },
    ...{ access_key_id: theirs.accessKeyId, secret_access_key: theirs.secretAccessKey, ...more },
  })
  const set = (body: Body) => jetty.call('PATCH', '/api/v1/collections/team/storage', body)
  const send = (dataset: string, bytes: Uint8Array | string, name = 'data.tar.gz') => {
    const form = new FormData()
    form.append('data_file', new File([new Uint8Array(Buffer.from(bytes))], name))
    return jetty.call('POST', `/api/v1/datasets/team/${dataset}/data`, form)
  }
  const one = (dataset: string, number: number) => jetty.call('GET', `/api/v1/datasets/team/${dataset}/data/${number}`)
  const make = (name: string) => jetty.call('POST', '/api/v1/datasets/team', { name })
  const theirKeys = () => [...theirs.objects.keys()].sort()

  beforeAll(async () => {
    await jetty.call('POST', '/api/v1/collections', {
      name: 'team',
      storage_provider: 's3',
      storage_info: info(),
    })
    await make('flowers')
  })

  it('is checked when it is set, and shown without its keys', async () => {
    const bad = await set({ storage_info: info({ endpoint: 'ftp://x', secret_access_key: undefined }) })
    expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['body', 'storage_info', 'endpoint']])
    const half = await set({ storage_info: { bucket: 'team-data' } })
    expect([half.status, half.body.detail[0].loc]).toEqual([422, ['body', 'storage_info', 'access_key_id']])
    expect((await set({ storage_info: info({ path_prefix: 'a/../b' }) })).status).toBe(422)
    const { body } = await jetty.call('GET', '/api/v1/collections/team/storage')
    expect(body).toMatchObject({
      storage_provider: 's3',
      storage_info: { bucket: 'team-data', access_key_id: '***', secret_access_key: '***' },
    })
  })

  it('keeps data files, and nothing else', async () => {
    const [before, usage] = [objectKeys(), (await jetty.call('GET', '/api/v1/collections/team/settings')).body.usage]
    const bytes = randomBytes(9 * 1024 * 1024) // in parts
    const sent = await send('flowers', bytes)
    expect([sent.status, sent.body.file_number]).toEqual([200, 0])
    expect((await send('flowers', 'a,b\n1,2\n', 'rows.csv')).body.file_number).toBe(1)
    const keys = ['ml/mlcbakery/team/flowers/data.000000.tar.gz', 'ml/mlcbakery/team/flowers/data.000001.csv']
    expect(theirKeys()).toEqual(keys)
    expect([theirs.uploads.size, objectKeys()]).toEqual([0, before])
    expect((await jetty.call('GET', '/api/v1/collections/team/settings')).body.usage).toEqual(usage)

    expect((await get(sent.body.file_path)).headers.get('content-length')).toBe(String(bytes.length))
    const range = await get(sent.body.file_path, { range: 'bytes=8388600-8388615' })
    expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(8388600, 8388616))).toBe(true)
    const { files } = (await jetty.call('GET', '/api/v1/datasets/team/flowers/data')).body
    expect(files.map(({ size }: Body) => size)).toEqual([bytes.length, 8])
    expect((await one('flowers', 1)).body.download_url).toBe(files[1].download_url)
    const preview = await jetty.call('GET', '/api/v1/datasets/team/flowers/data/1/preview')
    expect(preview.body).toMatchObject({ format: 'csv', rows: [expect.anything()] })
    const croissant = await jetty.call('GET', '/api/v1/datasets/team/flowers/croissant')
    expect(JSON.stringify(croissant.body)).toContain(files[0].sha256)
  })

  it('numbers files after those that others put there, also between a look and the upload', async () => {
    await make('shared')
    const key = (n: number) => `ml/mlcbakery/team/shared/data.00000${n}.tar.gz`
    const other = { bytes: Buffer.from('theirs'), etag: '"x"', atMs: Date.now() }
    for (const n of [0, 4]) theirs.objects.set(key(n), other)
    theirs.misbehave = (request) => {
      if (request.method === 'PUT' && request.key === key(5)) theirs.objects.set(key(5), other)
      return undefined
    }
    expect((await send('shared', 'one')).body.file_number).toBe(6)
    // In parts, and with an answer that is lost after the object was stored: the same object, not another one.
    let lost = 0
    theirs.misbehave = ({ method, key: at, query }) => {
      if (method === 'POST' && query.has('uploadId') && at === key(7))
        return theirs.objects.has(at) ? undefined : 'lose'
      return method === 'PUT' && at === key(8) && lost++ === 0 ? 'lose' : undefined
    }
    expect((await send('shared', randomBytes(9 * 1024 * 1024))).body.file_number).toBe(7)
    expect((await send('shared', 'short')).body.file_number).toBe(8)
    theirs.misbehave = () => undefined
    expect(theirs.objects.get(key(5))?.bytes.toString()).toBe('theirs')
    const sent = await Promise.all(['a', 'b', 'c'].map((text) => send('shared', text)))
    expect(sent.map(({ body }) => body.file_number).sort((a, b) => a - b)).toEqual([9, 10, 11])
    for (const { body } of sent) expect((await get(body.file_path)).status).toBe(200)
  })

  it('says what is wrong with it, and keeps nothing of a failed upload', async () => {
    const before = theirKeys()
    theirs.misbehave = () => 'slow_down'
    const gone = await send('flowers', 'x')
    theirs.misbehave = () => undefined
    expect([gone.status, gone.headers.get('retry-after')]).toEqual([503, '5'])
    expect(gone.body.detail).toBe('The bucket s3://team-data of this collection does not answer: SlowDown')
    const refused = async (more: Body) => {
      await set({ storage_info: info(more) })
      const { status, body } = await send('flowers', 'x')
      return [status, body.detail, body.hint]
    }
    expect(await refused({ secret_access_key: 'wrong' })).toMatchObject([
      409,
      expect.stringContaining('SignatureDoesNotMatch'),
      expect.stringContaining('storage_info.secret_access_key'),
    ])
    expect(await refused({ bucket: 'no-data' })).toMatchObject([409, expect.stringContaining('NoSuchBucket'), {}])
    expect((await get('team/_datasets/flowers/data.000001.csv')).status).toBe(409) // it names another bucket now
    expect(await refused({ endpoint: 'http://10.1.2.3' })).toMatchObject([
      409,
      expect.stringContaining('not allowed'),
      {},
    ])
    await set({ storage_info: info() })
    expect(theirKeys()).toEqual(before)

    const key = 'ml/mlcbakery/team/flowers/data.000001.csv'
    const kept = theirs.objects.get(key)
    theirs.objects.set(key, { bytes: Buffer.from('longer than it was'), etag: '"x"', atMs: 0 })
    expect((await get('team/_datasets/flowers/data.000001.csv')).status).toBe(409)
    theirs.objects.delete(key)
    const missing = await get('team/_datasets/flowers/data.000001.csv')
    expect([missing.status, ((await missing.json()) as Body).detail]).toEqual([
      404,
      `The bytes of this file are not in the bucket of its collection: s3://team-data has no ${key}`,
    ])
    if (kept) theirs.objects.set(key, kept)
  })

  it('takes what a step stores in a dataset; the files of the run stay with the server', async () => {
    const acme = (body: Body) => jetty.call('PATCH', '/api/v1/collections/acme/storage', body)
    await acme({ storage_provider: 's3', storage_info: info() })
    const before = objectKeys().length
    const { steps } = await jetty.run({
      steps: ['save', 'make'],
      step_configs: {
        save: { activity: 'save_text_file', text: 'a,b\n1,2\n', filename: 'table.csv' },
        make: { activity: 'register_dataset', name: 'made', files_path: 'save.outputs.files' },
      },
    })
    await acme({ storage_provider: 'default' })
    expect(steps.make.outputs).toMatchObject({ files_added: 1 })
    expect(theirs.objects.get('ml/mlcbakery/acme/made/data.000000.csv')?.bytes.toString()).toBe('a,b\n1,2\n')
    expect(objectKeys()).toHaveLength(before + 1)
    expect(await (await get('acme/_datasets/made/data.000000.csv')).text()).toBe('a,b\n1,2\n')
  })

  it('goes with its dataset, and stays when the collection goes', async () => {
    await make('brief')
    await send('brief', 'x')
    expect((await jetty.call('DELETE', '/api/v1/datasets/team/brief')).status).toBe(200)
    expect(theirKeys().filter((key) => key.includes('/brief/'))).toEqual([])
    const before = theirKeys()
    expect((await jetty.call('DELETE', '/api/v1/collections/team')).status).toBe(204)
    expect(theirKeys()).toEqual(before)
  })

  it('of another kind takes no uploads, and says what does', async () => {
    const key = { type: 'service_account', private_key: '-----BEGIN PRIVATE KEY-----\nmarigold' }
    await jetty.call('POST', '/api/v1/collections', {
      name: 'team',
      storage_provider: 'gcp',
      storage_info: { bucket: 'b', account: JSON.stringify(key), service: key },
    })
    await make('clouds')
    const shown = await jetty.call('GET', '/api/v1/collections/team/storage')
    expect(shown.body.storage_info).toMatchObject({ bucket: 'b', account: '***', service: { private_key: '***' } })
    const { status, body } = await send('clouds', 'x')
    expect([status, body.hint]).toMatchObject([
      400,
      expect.stringMatching(/HMAC.*s3.*https:\/\/storage.googleapis.com/),
    ])
    await set({ storage_provider: 'azure' })
    const azure = await send('clouds', 'x')
    expect([azure.status, azure.body.detail]).toEqual([
      400,
      "The storage provider 'azure' of collection 'team' is not supported",
    ])
    await set({ storage_provider: 'default' })
    expect((await send('clouds', 'x')).status).toBe(200)
  })
})

describe('JETTY_STORAGE_LINKS', () => {
  it('redirects large downloads to the bucket, and nothing that a page shows', async () => {
    const bytes = randomBytes(8 * 1024 * 1024)
    const [large, small] = [(await upload(bytes)).body, (await upload(Buffer.from('small'))).body]
    const second = await startTestServer({
      // It closes with an answer that nobody has read.
      env: { ...fake.env, JETTY_ROLE: 'api', JETTY_STORAGE_LINKS: 'true', JETTY_DRAIN_SECONDS: '0' },
      beside: jetty,
    })
    const ask = (path: string, redirect: 'manual' | 'follow' = 'manual', method = 'GET') =>
      fetch(`${second.url}/api/v1/file/${path}`, {
        method,
        redirect,
        headers: { authorization: `Bearer ${second.server.adminToken}` },
      })
    const linked = await ask(large.path)
    expect([linked.status, linked.headers.get('location')]).toMatchObject([302, expect.stringContaining(fake.url)])
    expect(Buffer.from(await (await ask(large.path, 'follow')).arrayBuffer()).equals(bytes)).toBe(true)
    expect(linked.headers.get('location')).not.toContain('+') // not every storage reads it as a space
    expect((await ask(`${large.path}?inline=1`)).status).toBe(200)
    const head = await ask(large.path, 'manual', 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)])
    expect(await (await ask(small.path)).text()).toBe('small')
    const form = new FormData()
    form.append('data_file', new File(['rows'], 'data.tar.gz'))
    await second.call('POST', '/api/v1/datasets/acme', { name: 'linked' })
    await second.call('POST', '/api/v1/datasets/acme/linked/data', form)
    const { download_url: link } = (await second.call('GET', '/api/v1/datasets/acme/linked/data/0')).body
    expect(link).toContain(fake.url)
    const read = await fetch(link) // without a token
    expect([await read.text(), read.headers.get('content-disposition')]).toMatchObject([
      'rows',
      expect.stringContaining('data.000000.tar.gz'),
    ])
    const { files } = (await second.call('GET', '/api/v1/datasets/acme/linked/data')).body
    expect(files[0].download_url).toContain(`${second.url}/api/v1/file/`) // a list is kept for longer than an hour
    await second.close()
  })
})

describe('the start of a server', () => {
  it('is refused with wrong credentials or without the bucket', async () => {
    const wrong = { ...fake.env, JETTY_STORAGE_SECRET_ACCESS_KEY: 'wrong' }
    await expect(startTestServer({ env: wrong, beside: jetty })).rejects.toThrow(/SignatureDoesNotMatch/)
    const none = { ...fake.env, JETTY_STORAGE: fake.location.replace('acme-files', 'no-files') }
    await expect(startTestServer({ env: none, beside: jetty })).rejects.toThrow(/NoSuchBucket/)
    const noKeys = { JETTY_STORAGE: fake.location, HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true' }
    await expect(startTestServer({ env: noKeys, beside: jetty })).rejects.toThrow(/There are no credentials/)
  })

  it('is not kept up by a bucket that is away', async () => {
    away()
    const second = await startTestServer({ env: { ...fake.env, JETTY_ROLE: 'api' }, beside: jetty })
    back()
    const form = new FormData()
    form.append('file', new Blob(['later']), 'later.txt')
    form.append('collection', 'acme')
    expect((await second.call('POST', '/api/v1/files/upload', form)).status).toBe(200)
    await second.close()
  })
})

// A server whose files are in a bucket: what it does while the bucket is away, refuses it, or has lost an object.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/s3.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeS3
let jetty: TestServer
const logged: Record<string, unknown>[] = []
beforeAll(async () => {
  fake = await startFakeS3()
  const env = { ...fake.env, JETTY_DRAIN_SECONDS: '0' } // it is asked whether it is ready
  jetty = await startTestServer({ env, onLog: (line) => logged.push(line) })
  jetty.leaks.remember('the secret key of the bucket', fake.secretAccessKey)
})
afterAll(async () => {
  fake.misbehave = () => undefined
  await jetty?.close()
  await fake?.close()
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

// A large file goes up and down through a server process, to a folder and to a bucket: the memory of the server is measured.
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServerProcess, spawnServer } from '../crash/harness/server-process.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type FakeS3, startFakeS3 } from '../fakes/s3.ts'

const megabytes = Number(process.env.JETTY_LARGE_MB ?? 300)
const mostGrowth = 250
const chunk = randomBytes(1024 * 1024)

describe.each(['disk', 's3'] as const)('a file of many megabytes: %s', (kind) => {
  let fake: FakeS3 | undefined
  let database: TestDatabase
  let folder: string
  let server: ServerProcess
  let url: string
  const token = randomBytes(16).toString('hex')
  const headers = { authorization: `Bearer ${token}` }
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'jetty-large-'))
    database = await createTestDatabase()
    fake = kind === 's3' ? await startFakeS3() : undefined
    server = spawnServer(folder, {
      DATABASE_URL: database.url,
      JETTY_DATA_DIR: join(folder, 'data'),
      JETTY_PORT: '0',
      JETTY_WEB: 'off',
      JETTY_ADMIN_TOKEN: token,
      ...fake?.env,
    })
    url = await server.ready
    const body = JSON.stringify({ name: 'acme' })
    await fetch(`${url}/api/v1/collections`, {
      method: 'POST',
      body,
      headers: { ...headers, 'content-type': 'application/json' },
    })
  })
  afterAll(async () => {
    await server?.stop()
    await fake?.close()
    await database?.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  const memory = (field: 'VmRSS' | 'VmHWM'): number =>
    Math.round(
      Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024,
    )

  /** Sends the file as multipart, a megabyte at a time. */
  const upload = (hash: ReturnType<typeof createHash>): Promise<{ path: string }> =>
    new Promise((resolve, reject) => {
      const boundary = 'of-this-test'
      const type = { 'content-type': `multipart/form-data; boundary=${boundary}` }
      const sent = request(
        `${url}/api/v1/files/upload`,
        { method: 'POST', headers: { ...headers, ...type } },
        async (answer) => {
          let text = ''
          for await (const part of answer) text += part
          answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`${answer.statusCode} ${text}`))
        },
      )
      sent.on('error', reject)
      const part = (name: string, more = '') =>
        `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`
      sent.write(`${part('collection')}acme\r\n${part('file', '; filename="large.bin"')}`)
      const write = async () => {
        for (let n = 0; n < megabytes; n++) {
          chunk.writeUInt32LE(n)
          hash.update(chunk)
          if (!sent.write(Buffer.from(chunk))) await new Promise((drained) => sent.once('drain', drained))
        }
        sent.end(`\r\n--${boundary}--\r\n`)
      }
      write().catch(reject)
    })

  it('goes up and down in bounded memory', async () => {
    const before = memory('VmRSS')
    const up = createHash('sha256')
    const begun = performance.now()
    const { path } = await upload(up)
    const upMs = performance.now() - begun
    const down = createHash('sha256')
    const answer = await fetch(`${url}/api/v1/file/${path}`, { headers })
    for await (const part of answer.body as AsyncIterable<Uint8Array>) down.update(part)
    expect(down.digest('hex')).toBe(up.digest('hex'))
    const most = memory('VmHWM')
    console.log(
      kind,
      JSON.stringify({
        megabytes,
        before,
        most,
        up_seconds: upMs / 1000,
        down_seconds: (performance.now() - begun - upMs) / 1000,
      }),
    )
    expect(most - before).toBeLessThan(mostGrowth)
  })
})

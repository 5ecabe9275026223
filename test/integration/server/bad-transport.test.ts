import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendRaw } from '../../raw-http.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_MAX_UPLOAD_BYTES: '64KiB', JETTY_MAX_BODY_BYTES: '1MiB' } })
})
afterAll(() => jetty?.close())

describe('bad transport', () => {
  const multipart = (...parts: (string | Buffer)[]): [string, Buffer] => [
    'multipart/form-data; boundary=b',
    Buffer.concat([...parts.map((part) => Buffer.from(part)), Buffer.from('\r\n--b--\r\n')]),
  ]
  const field = (name: string) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`
  const file = '--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhello\r\n'
  const badText = Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d])
  const json = 'application/json'
  const form = 'application/x-www-form-urlencoded'
  const long = 'x'.repeat(1_200_000)

  const cases: [string, string, [string, string | Buffer], number, string][] = [
    ['malformed JSON', 'run', [json, '{"init_params": {"a": 1,}}'], 422, 'not valid JSON.*check quotes'],
    ['JSON cut off', 'run', [json, '{"init_params": {'], 422, 'not valid JSON'],
    [
      'no object',
      'run',
      [json, '[{"init_params": {}}]'],
      422,
      'must be a JSON object with the names of the form fields',
    ],
    ['bad UTF-8 as JSON', 'run', [json, badText], 422, 'not valid UTF-8'],
    ['bad UTF-8 in a field', 'run', multipart(field('init_params'), badText), 422, 'init_params is not valid UTF-8'],
    [
      'bad UTF-8 after a file',
      'run',
      multipart(file, field('init_params'), badText),
      422,
      'init_params is not valid UTF-8',
    ],
    [
      'bad UTF-8 in a form',
      'run',
      [form, 'a=1&init_params=%7B%22a%22:%22%FF%22%7D'],
      422,
      'init_params is not valid UTF-8',
    ],
    ['a wrong type', 'run', [json, '{"init_params": 7}'], 422, 'init_params must be an object'],
    [
      'deep nesting',
      'run',
      [json, `{"init_params": ${'{"a":'.repeat(2000)}1${'}'.repeat(2001)}`],
      422,
      'nested deeper',
    ],
    [
      'deep text',
      'run',
      multipart(field('init_params'), `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`),
      422,
      'nested deeper',
    ],
    ['no boundary', 'run', ['multipart/form-data', 'x'], 422, 'without a boundary; let the client set Content-Type'],
    [
      'another boundary',
      'run',
      ['multipart/form-data; boundary=c', multipart(field('init_params'), '{}')[1]],
      422,
      'multipart',
    ],
    ['no end', 'run', ['multipart/form-data; boundary=b', `${file}--b\r\nContent-Disposition`], 422, 'multipart'],
    ['another type', 'run', ['text/xml', '<a/>'], 422, 'Send the form as multipart/form-data'],
    [
      'a large field',
      'run',
      multipart(file, field('init_params'), `{"a":"${long}"}`),
      413,
      'init_params is too large.*1 MiB',
    ],
    ['a large file', 'run', multipart(file.replace('hello', 'x'.repeat(70_000))), 413, 'File too large.*64 KiB'],
    ['large JSON', 'task', [json, `{"name":"big","workflow":{},"description":"${long}"}`], 413, 'too large.*1 MiB'],
    ['a wrong type', 'task', [json, '{"name":"x","workflow":{"steps":[1]}}'], 422, 'expected string'],
    ['malformed JSON', 'task', [json, '{"name": x}'], 422, 'not valid JSON'],
    ['NUL', 'task', [json, '{"name":"x","workflow":{},"description":"a\\u0000"}'], 422, 'NUL is not allowed'],
    ['a bad name', 'task', [json, '{"name":"a/b","workflow":{}}'], 422, 'Names start with a letter or digit'],
  ]

  test('is a 4xx that names what is wrong and what to do; nothing is half-written', async () => {
    const task = await jetty.task({})
    const count = async () =>
      JSON.stringify(
        await jetty.server.database.query(
          'select (select count(*) from runs) r, (select count(*) from tasks) t, (select count(*) from files) f',
        ),
      )
    const before = await count()
    for (const [why, what, [type, body], status, text] of cases) {
      const response = await fetch(`${jetty.url}/api/v1/${what === 'run' ? `run/acme/${task}` : 'tasks/acme'}`, {
        method: 'POST',
        body: typeof body === 'string' ? body : new Uint8Array(body),
        headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'content-type': type },
      })
      const { detail } = (await response.json()) as Body
      expect([why, response.status]).toEqual([why, status])
      expect([why, Array.isArray(detail) ? detail[0].msg : detail]).toEqual([
        why,
        expect.stringMatching(new RegExp(text)),
      ])
    }
    expect(await count()).toBe(before)
    const objects = readdirSync(join(jetty.server.dataDir, 'files'), { recursive: true, withFileTypes: true })
    expect(
      objects
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['databases', 'id'])
  })

  test('a U+FFFD that was sent as such is text like any other', async () => {
    const init_params = '{"text":"a \ufffd b"}'
    const sent = new FormData()
    sent.append('init_params', init_params)
    const bodies = [sent, new URLSearchParams({ init_params, other: '100%' }), `init_params=${init_params}&x=50%&y=%zz`]
    const task = await jetty.task({})
    for (const body of bodies) {
      const response = await fetch(`${jetty.url}/api/v1/run/acme/${task}`, {
        method: 'POST',
        body,
        headers: {
          authorization: `Bearer ${jetty.server.adminToken}`,
          ...(typeof body === 'string' ? { 'content-type': form } : {}),
        },
      })
      expect(((await response.json()) as Body).trajectory?.init_params).toEqual({ text: 'a \ufffd b' })
    }
  })

  test.each(['..', '%2e%2e', '%2E.', '..%2f..', '%2f', 'a%2f..%2fb', 'a%5cb', '%00', '%ff', '.'])(
    'a path with %s reaches nothing',
    async (segment) => {
      for (const path of [
        `tasks/acme/${segment}`,
        `run/acme/${segment}`,
        `db/trajectory/acme/t1/${segment}`,
        `file/acme/${segment}/x`,
      ]) {
        const head = `${path.startsWith('run') ? 'POST' : 'GET'} /api/v1/${path} HTTP/1.1\r\nHost: x\r\n`
        const token = `Authorization: Bearer ${jetty.server.adminToken}\r\n`
        const answer = await sendRaw(
          Number(new URL(jetty.url).port),
          `${head}${token}Connection: close\r\nContent-Length: 0\r\n\r\n`,
          25_000,
        )
        expect([path, answer.slice(0, 13)]).toEqual([path, 'HTTP/1.1 404 '])
        expect(answer).toMatch(/\r\n\r\n\{"detail":"\w/)
      }
    },
  )
})

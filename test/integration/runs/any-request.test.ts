import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { builtinActivities } from '../../../src/activities/registry.ts'
import { contract } from '../../../src/api/contract.ts'
import { trajectorySchema } from '../../../src/model/runs/trajectory.ts'
import { anyCharacter } from '../../any-character.ts'
import { sendRaw } from '../../raw-http.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let port: number
beforeAll(async () => {
  jetty = await startTestServer({
    env: { JETTY_SYNC_WAIT_SECONDS: '60', JETTY_MAX_UPLOAD_BYTES: '64KiB', JETTY_MAX_BODY_BYTES: '1MiB' },
  })
  port = Number(new URL(jetty.url).port)
})
afterAll(() => jetty?.close())

afterEach(async () => {
  expect((await jetty.call('GET', '/api/v1/health')).body.status).toBe('healthy')
  const text = `alive ${Math.random()}`
  const done = await jetty.run({ step_configs: { e: { activity: 'text_echo', text } }, steps: ['e'] })
  expect([done.status, done.result.text]).toEqual(['completed', text])
})

const wellFormed = (text: string) => Buffer.from(text).toString()

/** A 4xx is JSON with words; of the 5xx there is the 501 alone, and no answer holds a piece of our own stack. */
const checkAnswer = (answer: string): void => {
  expect(answer).toMatch(/^HTTP\/1\.1 ([1234]\d\d|501) /)
  expect(answer).not.toMatch(/\n\s+at \S+ \(|node_modules\//)
  const at = answer.indexOf('\r\n\r\n')
  const [head, body] = [answer.slice(0, at), answer.slice(at + 4)]
  if (!/^HTTP\/1\.1 4/.test(head) || body === '') return
  expect(head).toMatch(/content-type: application\/json/i)
  const { detail, error } = JSON.parse(body) as Body
  const said = detail ?? error
  for (const text of Array.isArray(said) ? said.map((one) => one.msg) : [said]) {
    expect(text).toEqual(expect.stringMatching(/\w/))
  }
}

describe('any request', () => {
  const word = fc.oneof(
    fc.constantFrom('acme', 'ACME', 'api', 'v1', 'tasks', 'run', 'db', 'trajectory', 'file', 'api-keys', '1', 't1'),
    fc.string({ unit: anyCharacter, maxLength: 12 }).map((text) => encodeURIComponent(wellFormed(text))),
    fc.constantFrom('%00', '%ff', '%2e%2e', '%2f', '%', '..', '.', '', '%F0%9F%98%80', '%ED%A0%80'),
  )
  const known = fc.constantFrom(...Object.values(contract).map((one) => one.path))
  const path = fc.oneof(
    fc.array(word, { maxLength: 6 }).map((parts) => `/${parts.join('/')}`),
    fc.tuple(known, fc.array(word, { minLength: 4, maxLength: 4 })).map(([text, words]) => {
      let next = 0
      return text.replace(/\{\w+(\.\.\.)?\}/g, () => words[next++ % 4] ?? 'x')
    }),
  )
  const names = ['name', 'workflow', 'description', 'collection_name', 'environment_variables', 'owner_identifier']
  const more = ['__proto__', 'storage_info', 'croissant_metadata', 'init_params', 'secret_params', 'use_trial_keys']
  const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom('acme', '\0', '\ud800', {}, { steps: ['a'] }))
  const body = fc.oneof(
    fc.dictionary(fc.constantFrom(...names, ...more), value).map((object) => JSON.stringify(object)),
    fc.dictionary(fc.constantFrom('cafecafe', '\0', '__proto__'), value).map((object) => JSON.stringify(object)),
    fc.jsonValue().map((one) => JSON.stringify(one)),
    fc.string({ unit: anyCharacter }),
  )
  const query = fc.oneof(
    fc.constant(''),
    fc.string({ unit: anyCharacter, maxLength: 20 }).map((text) => `?q=${encodeURIComponent(wellFormed(text))}`),
    fc
      .tuple(fc.constantFrom('skip', 'limit', 'page', 'cursor', 'after', 'level', 'prefix', 'inline'), word)
      .map(([name, text]) => `?${name}=${text}`),
  )
  const type = fc.constantFrom(
    'application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'multipart/form-data; boundary=b',
    'text/plain',
    '',
  )

  test('has an answer, and never a 500', async () => {
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'HEAD')
    await fc.assert(
      fc.asyncProperty(method, path, query, body, type, async (verb, target, search, text, kind) => {
        const sent = verb === 'GET' || verb === 'HEAD' ? '' : text
        const head =
          `${verb} ${target}${search} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${jetty.server.adminToken}\r\n` +
          `Connection: close\r\n${kind ? `Content-Type: ${kind}\r\n` : ''}`
        checkAnswer(await sendRaw(port, `${head}Content-Length: ${Buffer.byteLength(sent)}\r\n\r\n${sent}`, 30_000))
      }),
      { numRuns: 1500 },
    )
  }, 180_000)
})

describe('any workflow', () => {
  const stepName = fc.oneof(
    fc.constantFrom('a', 'b', 'c', 'd', 'init_params', 'env', '1', '__proto__', 'constructor', 'toString', ''),
    fc.string({ unit: anyCharacter, maxLength: 5 }),
  )
  const piece = fc.oneof(
    fc.constantFrom('a', 'b', 'init_params', 'env', 'outputs', 'inputs', 'text', 'config', 'status', 'error', 'x'),
    fc.constantFrom(
      '[0]',
      '[-1]',
      '[*]',
      "['a b']",
      "['",
      '[',
      ']',
      '.',
      '..',
      '[99999999999999999999]',
      '{{',
      '}}',
      ' ',
    ),
    fc.constantFrom('__proto__', 'constructor', 'length', 'toString', 'NAME', '0', '/', 'http://x', '\0', '\ud83d'),
  )
  const expression = fc.oneof(
    fc.array(piece, { maxLength: 6 }).map((parts) => parts.join('.')),
    fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('')),
    fc.constantFrom('a.outputs.text', 'a.inputs', 'init_params.x', 'init_params.list[*].y', 'b.outputs.chunks[*]'),
  )
  const parameter = fc.constantFrom(
    ...['text', 'text_path', 'text_path_expr', 'template', 'texts', 'texts_path', 'separator', 'chunk_size', 'overlap'],
    ...['files', 'files_path', 'patterns', 'match_field', 'file_path', 'file_path_expr', 'image_path', 'metadata'],
    ...['content', 'filename', 'file_index', 'url', 'url_path', 'payload', 'variables', 'depends_on', 'options'],
    ...['x', 'x_path', '_path', '_path_expr', '__proto__', 'timeout_sec', 'activity'],
  )
  const value = fc.oneof(
    expression,
    expression.map((text) => `before {{ ${text} }} {{${text}}} after`),
    fc.array(expression, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('y', 'y_path', '__proto__', 'z'), expression, { maxKeys: 3 }),
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(0, -1, 1e308, 1.5, true, null, '', 'acme/t/0000/x.txt', '../x'),
  )
  const activity = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...[...builtinActivities.keys()].filter((name) => name !== 'sleep')) },
    fc.constantFrom('nope', '', '__proto__', 'constructor', 7, null),
  )
  const config = fc
    .tuple(activity, fc.dictionary(parameter, value, { maxKeys: 5 }))
    .map(([name, given]) => ({ activity: name, ...given }))
  const configs = fc.oneof(
    { weight: 5, arbitrary: fc.dictionary(stepName, config, { maxKeys: 5 }) },
    fc.dictionary(stepName, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
  )
  const workflow = fc.oneof(
    fc.record({ init_params: fc.dictionary(stepName, value), step_configs: configs, steps: fc.array(stepName) }),
    configs.map((all) => ({ init_params: { x: 1, list: [{ y: 1 }, {}] }, step_configs: all, steps: Object.keys(all) })),
    fc.record(
      { step_configs: fc.jsonValue(), steps: fc.jsonValue(), init_params: fc.jsonValue() },
      { requiredKeys: [] },
    ),
  )
  const initParams = fc.oneof(
    fc.dictionary(fc.constantFrom('x', 'list', 'file_paths', '__proto__', 'text', '\0'), fc.jsonValue({ maxDepth: 3 })),
    fc.jsonValue({ maxDepth: 2 }),
    fc.string({ unit: anyCharacter }),
  )

  test('is refused in words, or runs to an end that its trajectory explains', async () => {
    let created = 0
    let completed = 0
    await fc.assert(
      fc.asyncProperty(workflow, initParams, async (one, given) => {
        const name = `any${created++}`
        const task = await jetty.call('POST', '/api/v1/tasks/acme', { name, workflow: one })
        expect([201, 422]).toContain(task.status)
        if (task.status === 422) return void expect(task.body.detail[0].loc.slice(0, 2)).toEqual(['body', 'workflow'])
        expect(task.body.warnings).toEqual(expect.any(Array))
        const text = typeof given === 'string' ? given : JSON.stringify(given)
        const run = await jetty.call('POST', `/api/v1/run-sync/acme/${name}`, { init_params: text })
        expect([200, 422]).toContain(run.status)
        if (run.status === 422 && typeof run.body.detail === 'string') {
          return void expect(run.body.detail).toMatch(/^Step '.+': Model '.+' cannot be served/s)
        }
        if (run.status === 422) return void expect(run.body.detail[0].loc.slice(0, 2)).toEqual(['body', 'init_params'])
        trajectorySchema.parse(run.body)
        expect(['completed', 'failed']).toContain(run.body.status)
        if (run.body.status === 'completed') completed++
        else expect(run.body.error).toMatch(/\w{3}/)
        expect(run.body.error ?? '').not.toMatch(
          /is not a function|Cannot (read|set) propert|is not iterable|of undefined|of null/,
        )
        const logs = await jetty.call('GET', `/api/v1/workflows-logs/${run.body.workflow_id}`)
        expect(logs.status).toBe(200)
        expect(await jetty.get(name, run.body.trajectory_id)).toMatchObject({ status: run.body.status })
      }),
      { numRuns: 400 },
    )
    expect(completed).toBeGreaterThan(10)
  }, 240_000)
})

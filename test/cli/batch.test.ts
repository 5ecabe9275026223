import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell
const secret = 'batch-cli-unmistakable-0123456789'

beforeAll(async () => {
  test = await startTestServer()
  const token = (await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })).body
    .api_key
  shell = openShell(test.url, token)
  const echo = { activity: 'text_echo', text_path: 'init_params.text' }
  await test.call('POST', '/api/v1/tasks/acme', {
    name: 'echo',
    workflow: { step_configs: { echo }, steps: ['echo'] },
  })
  await test.call('POST', '/api/v1/tasks/acme', {
    name: 'nap',
    workflow: { step_configs: { nap: { activity: 'sleep', seconds_path: 'init_params.seconds' } }, steps: ['nap'] },
  })
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

const batchesOf = async (): Promise<Body[]> => (await test.call('GET', '/api/v1/batches/acme?limit=100')).body.batches

describe('jetty batch run', () => {
  it('takes a CSV file, waits, and saves the results', async () => {
    const items = shell.file('items.csv', 'text,n:json\n"a, b",1\nc,2\n')
    const out = join(shell.home, 'results.csv')
    const ended = await shell.jetty([
      'batch',
      'run',
      'acme/echo',
      items,
      '-l',
      'experiment=7',
      '--name',
      'first',
      '-o',
      out,
    ])
    expect(ended).toMatchObject({ code: 0, stdout: '' })
    expect(ended.stderr).toMatch(/2 items/)
    expect(ended.stderr).toMatch(/completed acme\/[0-9a-f]{8} 2 of 2 ended/)
    const rows = parse(readFileSync(out, 'utf8'), { columns: true }) as Record<string, string>[]
    expect(rows.map((row) => [row.index, row['init_params.n'], row['outputs.text']])).toEqual([
      ['0', '1', 'a, b'],
      ['1', '2', 'c'],
    ])
    const [batch] = await batchesOf()
    expect(batch).toMatchObject({ name: 'first', labels: { experiment: '7' }, author: 'api-key:newcomer' })
    const again = await shell.jetty(['batch', 'run', 'acme/echo', items, '-o', out])
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('already exists')])
    expect(await batchesOf()).toHaveLength(1)
  })

  it.each([
    ['JSON lines', '{"text":"x"}\n{"text":"y"}\n'],
    ['a list of JSON', '[{"text":"x"},{"text":"y"}]'],
    ['CSV', 'text\nx\ny\n'],
  ])('takes %s from stdin, and answers with the batch as JSON', async (_, stdin) => {
    const ended = await shell.jetty(['batch', 'run', 'acme/echo', '-', '-c', '2', '--json'], { stdin })
    expect(ended.code).toBe(0)
    expect(ended.json()).toMatchObject({ status: 'completed', total: 2, max_concurrency: 2, counts: { completed: 2 } })
  })

  it('gives the secrets of these runs by the names of variables', async () => {
    test.leaks.remember('a secret', secret)
    const items = shell.file('secret.jsonl', '{"text":"x"}\n')
    const args = ['batch', 'run', 'acme/echo', items, '--secret', 'TOKEN', '--no-wait']
    const started = await shell.jetty(args, { env: { TOKEN: secret } })
    expect(started).toMatchObject({ code: 0, stdout: expect.stringMatching(/^acme\/[0-9a-f]{8}\n$/) })
    expect(started.stderr).toContain('jetty batch watch acme/')
    const watched = await shell.jetty(['batch', 'watch', started.stdout.trim()])
    expect([watched.code, watched.stderr]).toEqual([0, expect.stringContaining('1 of 1 ended')])
  })

  it('ends with 1 where not every run completed, and shows the first errors', async () => {
    const items = shell.file('bad.jsonl', '{"seconds":0}\n{"seconds":-1}\n')
    const ended = await shell.jetty(['batch', 'run', 'acme/nap', items])
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('1 failed')])
    expect(ended.stdout).toMatch(/ITEM +TRAJECTORY +ERROR\n1 +[0-9a-f]{8} +Step 'nap' failed/)
  })

  it('leaves the batch running at Ctrl-C, and says how to go on', async () => {
    const items = shell.file('long.jsonl', '{"seconds":50}\n{"seconds":50}\n')
    const ended = await shell.jetty(['batch', 'run', 'acme/nap', items], { interruptAt: '2 items' })
    expect(ended.code).toBe(130)
    const place = /jetty batch watch (acme\/[0-9a-f]{8})/.exec(ended.stderr)?.[1] ?? ''
    expect(ended.stderr).toContain(`jetty batch cancel ${place}`)
    const shown = (await shell.jetty(['batch', 'get', place, '--json'])).json()
    expect([shown.ended, shown.total]).toEqual([null, 2])
    const cancelled = await shell.jetty(['batch', 'cancel', place])
    expect(cancelled).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cancelled acme\/\S+ 2 of 2 ended/) })
  })

  it('refuses what is no list of items, with what the server says of it', async () => {
    const wrong = async (name: string, content: string) => {
      const ended = await shell.jetty(['batch', 'run', 'acme/echo', shell.file(name, content)])
      expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: '' })
      return ended.stderr
    }
    expect(await wrong('a.json', '{"text":"x"}')).toContain('expected a list of objects')
    expect(await wrong('a.jsonl', '{"text":"x"}\nno\n')).toContain('Line 2 is not a JSON object')
    expect(await wrong('a.csv', 'a,a\n1,2\n')).toContain("Two columns have the name 'a'")
    expect(existsSync(join(shell.home, 'results'))).toBe(false)
  })
})

describe('jetty batch ls, get and results', () => {
  it('show what was run', async () => {
    const items = shell.file('shown.jsonl', '{"text":"one"}\n{"text":"two"}\n')
    const { batch_id: id } = (
      await shell.jetty(['batch', 'run', 'acme/echo', items, '--name', 'shown', '--json'])
    ).json()
    const listed = await shell.jetty(['batch', 'ls', 'acme', '-n', '1'])
    expect(listed.stdout).toMatch(new RegExp(`^BATCH .*\\n${id} +completed +echo +~0 +shown +2 +0 +2 `))
    const shown = await shell.jetty(['batch', 'get', `acme/${id}`])
    expect(shown.stdout).toMatch(/runs +2 of 2 ended/)
    const csv = await shell.jetty(['batch', 'results', `acme/${id}`])
    expect(parse(csv.stdout)).toHaveLength(3)
    const lines = await shell.jetty(['batch', 'results', `acme/${id}`, '-f', 'jsonl'])
    expect(
      lines.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).outputs.text),
    ).toEqual(['one', 'two'])
    const json = (await shell.jetty(['batch', 'results', `acme/${id}`, '--json'])).json()
    expect(json.map((one: Body) => one.init_params.text)).toEqual(['one', 'two'])
    const none = await shell.jetty(['batch', 'get', 'acme/00000000'])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("Batch '00000000' not found")])
  })
})

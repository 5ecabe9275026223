// What a newcomer reads after a mistake: the error says what to type next, and the exit code is the right one.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell
let foreign: Server

beforeAll(async () => {
  test = await startTestServer()
  const key = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, key.body.api_key)
  await test.call('POST', '/api/v1/datasets/acme', { name: 'flowers' })
  const workflow = { step_configs: { gate: { activity: 'wait_for_approval', message: 'Go?' } }, steps: ['gate'] }
  await test.call('POST', '/api/v1/tasks/acme', { name: 'ask', workflow })
  // Another program: as many do, it answers some paths with a page and some with JSON of its own.
  foreign = createServer((asked, response) => {
    if (asked.url?.startsWith('/html/')) response.end('<html>Welcome</html>')
    else if (asked.url?.startsWith('/json/')) response.end('{"ok":true}')
    else response.writeHead(404).end('<html>not here</html>')
  })
  await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  shell?.close()
  foreign?.close()
  await test?.close()
})

const refused = async (code: number, ...args: string[]): Promise<string> => {
  const ended = await shell.jetty(args)
  expect([args.join(' '), ended.code]).toEqual([args.join(' '), code])
  return ended.stderr
}

it('runs ls finds the runs that it prints as waiting', async () => {
  const place = (await shell.jetty(['run', 'acme/ask'])).stdout.trim()
  const id = place.split('/').at(-1) ?? ''
  await expect
    .poll(async () => (await shell.jetty(['runs', 'ls', 'acme/ask'])).stdout, { timeout: 20_000 })
    .toContain('waiting')
  for (const at of ['acme', 'acme/ask']) {
    expect((await shell.jetty(['runs', 'ls', at, '--status', 'waiting'])).stdout).toContain(id)
  }
  expect((await shell.jetty(['runs', 'ls', 'acme', '--status', 'failed'])).stdout).not.toContain(id)
  expect((await shell.jetty(['runs', 'ls', 'acme', '--status', 'waiting', '--format', 'csv'])).stdout).toContain(id)
})

it('status ends with 3 where no server answers', async () => {
  const url = `http://127.0.0.1:${(foreign.address() as AddressInfo).port}`
  expect(await refused(3, 'status', '--url', url)).not.toContain('Error')
})

describe('help', () => {
  it.each([[['nope']], [['runs', 'nope']]])('for a command that there is not is an error: %j', async (words) => {
    const stderr = await refused(2, 'help', ...words)
    expect(stderr).toContain("unknown command 'nope'")
  })

  it.each([[['runs']], [['runs', 'get']], [[]]])('for one that there is shows it: %j', async (words) => {
    expect((await shell.jetty(['help', ...words])).stdout).toContain(`Usage: jetty${['', ...words].join(' ')}`)
  })
})

describe('a message has a next step', () => {
  it.each<[string[], string, string]>([
    [['keys', 'revoke', '999999'], 'API key not found', 'jetty keys ls'],
    [['datasets', 'get', 'acme/flowres'], 'Dataset not found', 'Did you mean acme/flowers?'],
    [['datasets', 'get', 'acme/zzzzzzzz'], 'Dataset not found', 'jetty datasets ls acme'],
  ])('%j', async (args, message, next) => {
    const stderr = await refused(2, ...args)
    expect(stderr).toContain(message)
    expect(stderr).toContain(next)
  })

  it('where a collection exists', async () => {
    const admin = ['--token-file', shell.file('admin-token', test.server.adminToken)]
    const stderr = await refused(2, 'collections', 'create', 'acme', ...admin)
    expect(stderr).toMatch(/Collection already exists\n.*another name/)
  })

  it('where a file has no items, or the judges are no list', async () => {
    const judges = shell.file('judges.json', '{"judges": []}')
    const empty = shell.file('e.csv', 'name\n')
    expect(await refused(2, 'batch', 'run', 'acme/ask', empty)).toMatch(/has no items\. Below the line of names/)
    expect(await refused(2, 'eval', 'run', 'acme/ask', empty, '-j', judges)).toMatch(
      /an object; expected a list.*\n.*"name"/,
    )
  })

  it('where another program than a Jetty server answers', async () => {
    const url = `http://127.0.0.1:${(foreign.address() as AddressInfo).port}`
    expect(await refused(2, 'collections', 'ls', '--url', url)).toMatch(/The server answered 404\n.*check the URL/)
  })

  it.each([
    ['html', ['whoami']],
    ['html', ['runs', 'ls', 'acme']],
    ['json', ['whoami']],
    ['json', ['runs', 'ls', 'acme']],
    ['json', ['status']],
  ])('where another program answers with success, as %s: %j', async (kind, args) => {
    const url = `http://127.0.0.1:${(foreign.address() as AddressInfo).port}/${kind}`
    const { code, stdout, stderr } = await shell.jetty([...args, '--url', url])
    expect(code).toBe(3)
    expect(stdout + stderr).toContain('answers, but not as a Jetty server')
    expect(stdout + stderr).not.toMatch(/TypeError|SyntaxError|undefined/)
  })

  it('doctor says that another program answers', async () => {
    const url = `http://127.0.0.1:${(foreign.address() as AddressInfo).port}/json`
    const admin = ['--token-file', shell.file('admin-token', test.server.adminToken)]
    const { stdout, stderr } = await shell.jetty(['doctor', '--url', url, ...admin])
    expect(stdout + stderr).toContain('not as a Jetty server')
    expect(stdout + stderr).not.toMatch(/TypeError|SyntaxError/)
  })

  it('where an activity is unknown', async () => {
    const file = shell.file(
      'w.json',
      JSON.stringify({ step_configs: { a: { activity: 'htp_request' } }, steps: ['a'] }),
    )
    const { code, stdout } = await shell.jetty(['tasks', 'validate', file, 'acme'])
    expect([code, stdout]).toEqual([
      1,
      expect.stringContaining("No step registered for 'htp_request'; did you mean 'http_request'?"),
    ])
  })

  it.each([
    ['fetch', 'http_request'],
    ['llm', 'litellm_chat'],
    ['judge', 'simple_judge'],
    ['csv', 'render'],
    ['read_csv', 'parse'],
    ['Approval', 'wait_for_approval'],
    ['for_each', 'list_emit_await'],
    ['if', 'conditional_branch'],
    ['loop', 'loop_counter'],
  ])('where an activity has a name that others use: %s', async (name, meant) => {
    const file = shell.file('named.json', JSON.stringify({ step_configs: { a: { activity: name } }, steps: ['a'] }))
    const { stdout } = await shell.jetty(['tasks', 'validate', file, 'acme'])
    expect(stdout).toContain(`No step registered for '${name}'; did you mean '${meant}'?`)
  })

  it('where nothing has such a name: once, how to find what there is', async () => {
    const config = { activity: 'teleport' }
    const text = JSON.stringify({ step_configs: { a: config, b: config }, steps: ['a', 'b'] })
    const stderr = await refused(1, 'tasks', 'deploy', shell.file('unknown.json', text), 'acme/unknown')
    expect(stderr.split('`jetty templates ls` lists the activities.')).toHaveLength(2)
  })

  it('where the packages of a script have no exact version', async () => {
    const config = { activity: 'script', language: 'python', code: 'return 1', packages: ['requests'] }
    const text = JSON.stringify({ step_configs: { a: config }, steps: ['a'] })
    const stderr = await refused(1, 'tasks', 'deploy', shell.file('packages.json', text), 'acme/packages')
    expect(stderr).toMatch(/Package 'requests' has no exact version\n +Write it like requests==2\.32\.3\./)
  })

  it('where a worker offers nearly this activity', async () => {
    const offer = { name: 'near', activities: [{ name: 'text.reverse' }, { name: 'image.resize' }] }
    await test.call('POST', '/api/v1/workers', offer)
    const text = JSON.stringify({ step_configs: { a: { activity: 'text.revers' } }, steps: ['a'] })
    const { stdout } = await shell.jetty(['tasks', 'validate', shell.file('near.json', text), 'acme'])
    expect(stdout).toContain("no worker offers 'text.revers' yet: a run waits for one; did you mean 'text.reverse'?")
  })

  it.each(['[]', '{"a": 1}', '---\nversion: "1"\n---\n'])('where a runbook is none: %s', async (text) => {
    const { code, stdout, stderr } = await shell.jetty(['runbook', 'check', shell.file('none.md', text), '-c', 'acme'])
    expect([code, stdout + stderr]).toEqual([expect.any(Number), expect.stringMatching(/no text|JSON, not Markdown/)])
    expect(code).not.toBe(0)
  })
})

describe('an approval', () => {
  it('is found without the name of its collection', async () => {
    const place = (await shell.jetty(['run', 'acme/ask'])).stdout.trim()
    await expect.poll(async () => (await shell.jetty(['approvals'])).stdout, { timeout: 20_000 }).toContain(place)
    expect((await shell.jetty(['approvals', '--json'])).json()).toContainEqual(
      expect.objectContaining({ collection: 'acme', task: 'ask', step: 'gate' }),
    )
  })

  it('of a step that the run has not: its steps', async () => {
    const place = (await shell.jetty(['run', 'acme/ask'])).stdout.trim()
    const stderr = await refused(2, 'approve', place, 'gaet')
    expect(stderr).toContain("has no step 'gaet'; its steps: gate")
  })

  it('that was decided: how to look at the run', async () => {
    const place = (await shell.jetty(['run', 'acme/ask'])).stdout.trim()
    await expect.poll(async () => (await shell.jetty(['approve', place])).code, { timeout: 20_000 }).toBe(0)
    const stderr = await refused(2, 'approve', place, 'gate', '--reject')
    expect(stderr).toContain(`The first decision counts. Look at the run with: \`jetty runs get ${place}\``)
  })
})

it('runs cancel takes the newest run of a task, as its help says', async () => {
  const place = (await shell.jetty(['run', 'acme/ask'])).stdout.trim()
  const { code, stdout } = await shell.jetty(['runs', 'cancel', 'acme/ask'])
  expect([code, stdout]).toEqual([0, `cancelled ${place}\n`])
})

describe('a run that has ended', () => {
  const shown = async (workflow: object): Promise<{ place: string; text: string }> => {
    const file = shell.file('shown.json', JSON.stringify(workflow))
    expect(await shell.jetty(['tasks', 'deploy', file, 'acme/shown'])).toMatchObject({ code: 0 })
    const ended = await shell.jetty(['run', 'acme/shown', '--wait'])
    expect(ended.code).toBe(0)
    return { place: ended.stderr.split('\n')[0] ?? '', text: (await shell.jetty(['runs', 'get', 'acme/shown'])).stdout }
  }

  it('shows how to download each of its files, and what leads from its name to them', async () => {
    const { place, text } = await shown({
      step_configs: {
        table: { activity: 'render', format: 'csv', items: [{ a: 1 }], filename: 'table.csv' },
        copy: { activity: 'text_echo', text_path: 'table.outputs.file.path' },
      },
      steps: ['table', 'copy'],
    })
    const path = text.match(/files +jetty files down (\S+)/)?.[1] ?? ''
    expect(path).toMatch(/^acme\/shown\/.*table\.csv$/)
    expect((await shell.jetty(['files', 'down', path, '-o', '-'])).stdout).toBe('a\r\n1\r\n')
    for (const run of ['acme/shown', place]) {
      expect(await refused(2, 'files', 'down', run)).toContain(`jetty runs get ${run} lists the files of a run`)
    }
  })

  it('leads to its child runs, and says that they have costs of their own', async () => {
    const child = { step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] }
    await test.call('POST', '/api/v1/tasks/acme', { name: 'one', workflow: child })
    const { place, text } = await shown({
      init_params: { items: [1, 2] },
      step_configs: {
        each: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: 'one' },
      },
      steps: ['each'],
    })
    expect(text).toContain(`child runs  2, each with its own cost: jetty runs ls acme --parent ${place}`)
    expect((await shell.jetty(['runs', 'ls', 'acme', '--parent', place, '--json'])).json()).toHaveLength(2)
  })
})

it('run --wait says that no worker offers the activity of a step', async () => {
  const text = JSON.stringify({ step_configs: { a: { activity: 'images.resize' } }, steps: ['a'] })
  await shell.jetty(['tasks', 'deploy', shell.file('alone.json', text), 'acme/alone'])
  const ended = await shell.jetty(['run', 'acme/alone', '--wait'], {
    when: ['No worker offers', () => void shell.jetty(['runs', 'cancel', 'acme/alone'])],
  })
  expect(ended.stderr).toContain('No worker offers images.resize')
})

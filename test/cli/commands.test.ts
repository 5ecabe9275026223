import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell
let token: string
let adminFile: string

beforeAll(async () => {
  test = await startTestServer()
  token = (await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })).body.api_key
  shell = openShell(test.url, token)
  adminFile = shell.file('admin-token', test.server.adminToken)
})

afterAll(async () => {
  shell?.close()
  await test?.close()
})

const workflow = {
  init_params: { text: 'hello' },
  step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['echo'],
}

/** Runs a command that must succeed, with nothing on stderr that a script would have to read. */
const ok = async (...args: string[]) => {
  const ended = await shell.jetty(args)
  expect(ended).toMatchObject({ code: 0 })
  return ended
}

/** Runs a command that must be refused as wrong use, with nothing on stdout. */
const wrong = async (...args: string[]) => {
  const ended = await shell.jetty(args)
  expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: '' })
  return ended.stderr
}

describe('tasks as files', () => {
  // Keys that look like numbers and numbers that are too long for JavaScript: they must go round as they are.
  const text = `{"init_params":{"b":1,"10":12345678901234567890,"2":1.50},"step_configs":{},"steps":[]}`
  const pretty = `{
  "init_params": {
    "b": 1,
    "10": 12345678901234567890,
    "2": 1.50
  },
  "step_configs": {},
  "steps": []
}
`

  it('deploy creates, changes and leaves alone; a dry run changes nothing', async () => {
    const file = shell.file('exact.json', text)
    expect((await ok('tasks', 'deploy', file, 'acme/exact', '--dry-run')).stdout).toContain('--- /dev/null')
    expect(await wrong('tasks', 'get', 'acme/exact')).toContain("Task 'exact' in collection 'acme' not found")
    expect((await ok('tasks', 'deploy', file, 'acme/exact', '-d', 'First')).stdout).toBe('created acme/exact\n')
    expect((await ok('tasks', 'deploy', file, 'acme/exact')).stdout).toBe('unchanged acme/exact\n')
    writeFileSync(file, text.replace('"b":1,', '"b":2,'))
    const dry = await ok('tasks', 'deploy', file, 'acme/exact', '--dry-run')
    expect(dry.stdout).toContain('-    "b": 1,\n+    "b": 2,\n     "10": 12345678901234567890,')
    expect(dry.stderr).toContain('acme/exact would be updated; nothing was changed.')
    expect((await ok('tasks', 'get', 'acme/exact', '--workflow')).stdout).toBe(pretty)
    const updated = await ok('tasks', 'deploy', file, 'acme/exact', '--json')
    expect(updated.json()).toEqual({ task: 'acme/exact', outcome: 'updated', warnings: [] })
    const task = (await ok('tasks', 'get', 'acme/exact', '--json')).json()
    expect(task).toMatchObject({ name: 'exact', description: 'First', is_private: true })
  })

  it('a file with a workflow beside description and version sets those too; --public opens, --private closes', async () => {
    const file = shell.file(
      'whole.json',
      JSON.stringify({ name: 'other', description: 'Whole', version: 'v1', workflow }),
    )
    const deployed = await ok('tasks', 'deploy', file, 'acme/whole', '--public')
    expect(deployed.stderr).toContain('The file names the task other')
    const anybody = await fetch(`${test.url}/api/v1/tasks/acme/whole`)
    expect(await anybody.json()).toMatchObject({ name: 'whole', description: 'Whole', version: 'v1', workflow })
    expect((await ok('tasks', 'deploy', file, 'acme/whole', '--private')).stdout).toBe('updated acme/whole\n')
    expect((await fetch(`${test.url}/api/v1/tasks/acme/whole`)).status).toBe(401)
    expect(await wrong('tasks', 'deploy', file, 'acme/whole', '--private', '--public')).toContain('cannot be used with')
  })

  it('warnings of the server go to stderr', async () => {
    const faulty = { ...workflow, steps: ['echo', 'nothing'] }
    const deploy = ['tasks', 'deploy', '-', 'acme/faulty', '--force']
    const ended = await shell.jetty(deploy, { stdin: JSON.stringify(faulty) })
    expect(ended).toMatchObject({ code: 0, stdout: 'created acme/faulty\n' })
    expect(ended.stderr).toMatch(/^stdin:1:\d+: error: .*nothing/)
  })

  it('pull writes the workflow as it is stored, and over no file that is there', async () => {
    await shell.jetty(['tasks', 'deploy', '-', 'acme/pulled'], { stdin: text })
    expect((await ok('tasks', 'pull', 'acme/pulled')).stdout).toBe(pretty)
    const path = join(shell.home, 'pulled.json')
    expect((await ok('tasks', 'pull', 'acme/pulled', path)).stdout).toBe(`${path}\n`)
    expect(readFileSync(path, 'utf8')).toBe(pretty)
    writeFileSync(path, 'mine')
    expect(await wrong('tasks', 'pull', 'acme/pulled', path)).toContain('--force')
    expect(readFileSync(path, 'utf8')).toBe('mine')
    await ok('tasks', 'pull', 'acme/pulled', path, '--force')
    expect(readFileSync(path, 'utf8')).toBe(pretty)
    expect(await wrong('tasks', 'pull', 'acme/nowhere', join(shell.home, 'no.json'))).toContain('not found')
    expect(existsSync(join(shell.home, 'no.json'))).toBe(false)
  })

  it('diff ends like diff(1)', async () => {
    await shell.jetty(['tasks', 'deploy', '-', 'acme/differs'], { stdin: text })
    const file = shell.file('differs.json', pretty)
    expect(await shell.jetty(['tasks', 'diff', file, 'acme/differs'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    })
    writeFileSync(file, text.replace('"steps":[]', '"steps":["a"]'))
    const differs = await shell.jetty(['tasks', 'diff', file, 'acme/differs'])
    expect(differs.code).toBe(1)
    expect(differs.stdout).toContain('-  "steps": []\n')
    const asJson = await shell.jetty(['tasks', 'diff', file, 'acme/differs', '--json'])
    expect(asJson.json()).toMatchObject({ task: 'acme/differs', same: false, diff: differs.stdout })
    expect(await wrong('tasks', 'diff', file, 'acme/missing')).toContain('not found')
  })

  it('a file that is no task is refused before anything is sent', async () => {
    expect(await wrong('tasks', 'deploy', shell.file('a.json', '{"a":'), 'acme/a')).toContain('is not JSON')
    expect(await wrong('tasks', 'deploy', shell.file('b.json', '{"a":1}'), 'acme/a')).toContain(
      'does not contain a workflow',
    )
    expect(await wrong('tasks', 'deploy', 'missing.json', 'acme/a')).toContain('missing.json cannot be read')
    expect(await wrong('tasks', 'deploy', shell.file('c.json', text), 'acme')).toContain('Expected <collection>/<task>')
  })

  it('history lists versions, restore makes one of them the newest', async () => {
    const file = shell.file('versions.json', text)
    await ok('tasks', 'deploy', file, 'acme/versions')
    writeFileSync(file, JSON.stringify(workflow))
    await ok('tasks', 'deploy', file, 'acme/versions', '-d', 'Second')
    expect((await ok('tasks', 'history', 'acme/versions')).stdout).toMatch(/^VERSION .*\n~1 .*\n~0 .*\n$/)
    expect((await ok('tasks', 'restore', 'acme/versions', '~0')).stdout).toBe(
      'acme/versions is now ~2, the same as ~0\n',
    )
    expect((await ok('tasks', 'get', 'acme/versions', '--workflow')).stdout).toBe(pretty)
    const again = await ok('tasks', 'restore', 'acme/versions', '~0', '--json')
    expect(again.json()).toMatchObject({ restored: 0, version: 2, changed: false })
    const versions = (await ok('tasks', 'history', 'acme/versions', '--json', '-n', '1')).json()
    expect(versions).toMatchObject({ total_versions: 3, versions: [{ index: 2 }] })
    const hash = versions.versions[0].content_hash
    expect((await ok('tasks', 'restore', 'acme/versions', hash)).code).toBe(0)
    await ok('tasks', 'tag', 'acme/versions', 'stable', '--at', '1')
    expect((await ok('tasks', 'history', 'acme/versions')).stdout).toMatch(/^~1 .* stable .*$/m)
    const same = await ok('tasks', 'diff', 'acme/versions', '2', '~-1', '--json')
    expect(same.json()).toMatchObject({ same: true, left: { index: 2 }, right: { index: 2 } })
    const other = await shell.jetty(['tasks', 'diff', 'acme/versions', 'stable', '0'])
    expect([other.code, other.stdout]).toEqual([1, expect.stringContaining('--- acme/versions@~1 (stable)')])
    expect(other.stdout).toContain('-  "description": "Second"')
    const unknown = await wrong('tasks', 'restore', 'acme/versions', '~9')
    expect(unknown).toContain('Version index ~9 out of range')
    expect(unknown).toContain('jetty tasks history acme/versions')
  })

  it('ls and search show tables to people and whole data to programs', async () => {
    await shell.jetty(['tasks', 'deploy', '-', 'acme/needle', '-d', 'In the haystack'], { stdin: text })
    expect((await ok('tasks', 'ls', 'acme')).stdout).toContain('acme/needle')
    expect((await ok('tasks', 'ls', 'acme', '--json')).json()).toContainEqual(
      expect.objectContaining({ name: 'needle', description: 'In the haystack' }),
    )
    expect((await ok('tasks', 'search', 'haystack')).stdout).toMatch(/^TASK .*\nacme\/needle +In the haystack\n$/)
    expect((await ok('tasks', 'search', 'haystack', 'acme', '--json')).json()).toMatchObject({ found: 1 })
    const none = await ok('tasks', 'search', 'zzzzzz')
    expect(none).toMatchObject({ stdout: '', stderr: 'No task matches "zzzzzz".\n' })
  })

  it('rm wants to be sure', async () => {
    await shell.jetty(['tasks', 'deploy', '-', 'acme/doomed'], { stdin: text })
    expect(await wrong('tasks', 'rm', 'acme/doomed')).toContain('--yes')
    await ok('tasks', 'get', 'acme/doomed')
    expect((await ok('tasks', 'rm', 'acme/doomed', '--yes')).stdout).toBe('Deleted acme/doomed\n')
    await wrong('tasks', 'get', 'acme/doomed')
  })
})

describe('names that are nearly right', () => {
  it.each([
    [['tasks', 'ls', 'amce'], 'Did you mean acme?'],
    [['tasks', 'get', 'acme/nearby-tsak'], 'Did you mean acme/nearby-task?'],
    [['runs', 'ls', 'amce/nearby-tas'], 'Did you mean acme/nearby-task?'],
    [['run', 'acme/nearby'], 'jetty tasks ls acme'],
    [['env', 'ls', 'acm'], 'Did you mean acme?'],
    [['files', 'ls', 'acmee'], 'Did you mean acme?'],
    [['keys', 'create', 'acmee', '--name', 'x'], 'Did you mean acme?'],
    [['runs', 'get', 'acme/nearby-task/00000000'], 'jetty runs ls acme/nearby-task'],
    [['files', 'down', 'acme/no/such'], 'jetty files ls acme'],
    [['templates', 'show', 'text_ehco'], 'Did you mean text_echo?'],
    [['tasks', 'list', 'acme'], "unknown command 'list'"],
    [['task', 'ls', 'acme'], 'Did you mean tasks?'],
  ])('%j', async (args, hint) => {
    await test.call('POST', '/api/v1/tasks/acme', { name: 'nearby-task', workflow })
    expect(await wrong(...args)).toContain(hint)
  })
})

describe('collections', () => {
  it('are made, shown and deleted', async () => {
    expect((await ok('collections', 'create', 'sales', '-d', 'The team')).stdout).toBe('Created sales\n')
    expect((await ok('collections', 'ls')).stdout).toContain('The team')
    expect((await ok('collections', 'ls', '--json')).json().map(({ name }: { name: string }) => name)).toContain(
      'sales',
    )
    expect((await ok('collections', 'get', 'sales')).stdout).toContain('The team')
    expect(await wrong('collections', 'create', 'sales')).toContain('already exists')
    expect(await wrong('collections', 'rm', 'sales')).toContain('--yes')
    expect(await wrong('collections', 'rm', 'sales', '--yes')).toContain('--token-file')
    const deleted = await ok('collections', 'rm', 'sales', '--yes', '--token-file', adminFile)
    expect(deleted.stdout).toBe('Deleted sales\n')
    await wrong('collections', 'get', 'sales')
  })
})

describe('secrets', () => {
  const secret = 'correct-horse-battery-staple'

  it('come from stdin alone, and are shown nowhere', async () => {
    const set = await shell.jetty(['env', 'set', 'acme', 'FIRST'], { stdin: `${secret}\n` })
    expect(set).toMatchObject({ code: 0, stdout: 'Set FIRST in acme\n', stderr: '' })
    const dotenv = `# comment\nexport SECOND="${secret}\n-2"\nTHIRD=${secret}-3\n`
    const many = await shell.jetty(['env', 'set', 'acme', '--dotenv', '--json'], { stdin: dotenv })
    expect(many.json()).toEqual({ collection: 'acme', set: ['SECOND', 'THIRD'] })
    expect((await ok('env', 'ls', 'acme')).stdout).toBe('FIRST\nSECOND\nTHIRD\n')
    const seen = { activity: 'text_echo', text: `{{env.FIRST}}|{{env.SECOND}}|{{env.THIRD}}` }
    await test.run({ init_params: {}, step_configs: { echo: seen }, steps: ['echo'] })
    expect(shell.seen().includes(secret)).toBe(false)
  })

  it('reach a run exactly: one line break at the end is left out', async () => {
    await shell.jetty(['env', 'set', 'acme', 'LENGTH'], { stdin: 'four\n\n' })
    const path = { activity: 'text_split', text_path: 'env.LENGTH', chunk_size: 1 }
    const run = await test.run({ init_params: {}, step_configs: { split: path }, steps: ['split'] })
    expect(run.steps.split.outputs.count).toBe(5)
  })

  it.each([
    ['env', 'set', 'acme', `KEY=${secret}`],
    ['env', 'set', 'acme', 'KEY', secret],
  ])('are refused as an argument, without being repeated: %s %s %s', async (...args) => {
    const said = await wrong(...args)
    expect(said).toContain('A secret cannot be passed as an argument')
    expect(said).toContain('jetty env set <collection> KEY < file')
    expect(said).not.toContain(secret)
  })

  it('lines that are no dotenv are refused, not left out', async () => {
    const ended = await shell.jetty(['env', 'set', 'acme', '--dotenv'], { stdin: `KEY=a\n${secret}\n` })
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain('Line 2 of stdin is not NAME=value')
    expect(ended.stderr).not.toContain(secret)
    expect((await ok('env', 'ls', 'acme', '--json')).json()).not.toContain('KEY')
    expect(await wrong('env', 'set', 'acme', 'KEY')).toContain('The value of KEY is empty')
    expect(await wrong('env', 'set', 'acme')).toContain('--dotenv')
  })

  it('are deleted by name, and by no name that is not there', async () => {
    await shell.jetty(['env', 'set', 'acme', 'GONE_SOON'], { stdin: secret })
    expect(await wrong('env', 'rm', 'acme', 'GONE_SOO')).toContain('Did you mean GONE_SOON?')
    expect((await ok('env', 'rm', 'acme', 'GONE_SOON')).stdout).toBe('Deleted GONE_SOON from acme\n')
    expect((await ok('env', 'ls', 'acme', '--json')).json()).not.toContain('GONE_SOON')
  })
})

describe('labels', () => {
  it('are set, replaced by their author, and removed', async () => {
    const task = await test.task(workflow)
    const { trajectory_id: id } = await test.start(task)
    const run = `acme/${task}/${id}`
    await ok('labels', 'add', run, 'quality=low', 'reviewed')
    await ok('labels', 'add', `acme/${task}`, 'quality=a=b')
    await ok('labels', 'add', run, 'quality=fine', '--author', 'anna')
    expect((await ok('labels', 'ls', run, '--json')).json()).toMatchObject([
      { key: 'reviewed', value: '', author: 'newcomer' },
      { key: 'quality', value: 'a=b', author: 'newcomer' },
      { key: 'quality', value: 'fine', author: 'anna' },
    ])
    await ok('labels', 'rm', run, 'quality', '--author', 'anna')
    expect((await ok('labels', 'ls', run)).stdout).not.toContain('anna')
    expect(await wrong('labels', 'rm', run, 'qualty')).toContain('It has: reviewed, quality')
    expect(await wrong('labels', 'add', run, '=x')).toContain('Expected key or key=value')
  })
})

describe('files', () => {
  it('go up, are listed, and come down byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 5_000_000 }, (_, at) => (at * 31) % 251))
    const big = shell.file('big.bin', bytes)
    const up = await ok('files', 'up', 'acme', big, shell.file('kleinöd.txt', 'ja'))
    const [path = '', second = ''] = up.stdout.trim().split('\n')
    expect(up.stdout.trim().split('\n')).toHaveLength(2)
    expect((await ok('files', 'ls', 'acme', '--json')).json().map((file: { path: string }) => file.path)).toEqual(
      expect.arrayContaining([path, second]),
    )
    expect((await ok('files', 'ls', `acme/${path.split('/')[1]}`)).stdout).toContain('4.8 MiB')
    const target = join(shell.home, 'copy.bin')
    expect((await ok('files', 'down', path, '-o', target)).stdout).toBe(`${target}\n`)
    expect(readFileSync(target).equals(bytes)).toBe(true)
    expect(await wrong('files', 'down', path)).toContain('--force') // big.bin lies in this folder
    await ok('files', 'down', path, '--force')
    expect((await ok('files', 'down', second, '-o', '-')).stdout).toBe('ja')
    expect(await wrong('files', 'down', second, '-o', join(shell.home, 'no/where'))).toContain('no such')
    expect(readdirSync(shell.home).filter((name) => name.includes('.part-'))).toEqual([])
    expect(await wrong('files', 'down', 'acme')).toContain('is not a storage path')
  })
})

it('run --wait counts the steps of the workflow, a loop once however often it turns', async () => {
  await test.call('POST', '/api/v1/tasks/acme', {
    name: 'turns',
    workflow: {
      init_params: {},
      step_configs: { ...workflow.step_configs, again: { activity: 'loop_counter', steps: ['echo'], max_turns: 2 } },
      steps: ['echo', 'again'],
    },
  })
  const { stderr } = await ok('run', 'acme/turns', '-p', 'text=hello', '--wait')
  const places = [...stderr.matchAll(/(\d\/\d \w+) (?:text_echo|loop_counter),/g)].map(([, place]) => place)
  expect(places).toEqual(['1/2 echo', '2/2 again', '2/2 echo__2', '2/2 again__2'])
})

describe('templates', () => {
  it('are listed by category and text, and shown with all there is to know', async () => {
    expect((await ok('templates', 'ls', '--category', 'text')).stdout).toContain('text_echo')
    expect((await ok('templates', 'ls', '-q', 'sleep', '--json')).json().templates[0].name).toBe('sleep')
    expect((await ok('templates', 'ls', '-q', 'zzzz')).stdout).toBe('')
    const shown = (await ok('templates', 'show', 'text_split')).stdout
    for (const part of ['PARAMETER', 'chunk_size', 'OUTPUT', 'EXAMPLE', '"activity": "text_split"']) {
      expect(shown).toContain(part)
    }
    expect((await ok('templates', 'show', 'text_split', '--json')).json()).toMatchObject({ name: 'text_split' })
  })
})

describe('every command', () => {
  it('ends with 3 where nobody answers', async () => {
    const ended = await shell.jetty(['tasks', 'ls', 'acme', '--url', 'http://127.0.0.1:9'])
    expect(ended).toMatchObject({ code: 3, stdout: '' })
    expect(ended.stderr).toContain('No answer from http://127.0.0.1:9')
  })

  it('never shows the token it uses, and leaves it readable by its owner alone', () => {
    const shown = shell.seen()
    expect(shown).toContain('acme')
    expect([token, test.server.adminToken].filter((secret) => shown.includes(secret))).toEqual([])
    expect(statSync(join(shell.home, '.config/jetty/token')).mode & 0o077).toBe(0)
  })

  it('shows the help of a command below another one', async () => {
    const [one, other] = await Promise.all([
      shell.jetty(['help', 'runs', 'get']),
      shell.jetty(['runs', 'get', '--help']),
    ])
    expect(one).toMatchObject({ code: 0, stdout: other.stdout })
    expect(one.stdout).toMatch(/^Usage: jetty runs get /)
  })

  it('prints no colours where there is no terminal', async () => {
    const { stdout, stderr } = await shell.jetty(['tasks', 'ls', 'acme'], { env: { NO_COLOR: '' } })
    expect(stdout + stderr).not.toContain('\u001b')
  })
})

describe('a request that is not used as it was meant', () => {
  it('is told on stderr, also to scripts, and the answer stays as it is', async () => {
    const listed = await shell.jetty(['runs', 'ls', 'acme/nearby-tsk', '--json'])
    expect(listed).toMatchObject({ code: 0 })
    expect(JSON.parse(listed.stderr).warning.message).toMatch(/no task 'nearby-tsk' yet.*Did you mean "nearby-task"\?/)
    expect(listed.json()).toEqual([])
    const { stderr } = await shell.jetty(['runs', 'ls', 'acme/nearby-tsk'])
    expect(stderr).toMatch(/^warning: .*no task 'nearby-tsk' yet/)
  })

  it('a run that no key can serve is refused at once, and nothing is recorded', async () => {
    const ask = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' }
    await test.call('POST', '/api/v1/tasks/acme', {
      name: 'unserved',
      workflow: { step_configs: { ask }, steps: ['ask'] },
    })
    const { code, stdout, stderr } = await shell.jetty(['run', 'acme/unserved'])
    expect([code === 0, stdout, stderr]).toEqual([false, '', expect.stringContaining('OPENAI_API_KEY')])
    expect((await test.call('GET', '/api/v1/db/trajectories/acme/unserved')).body.total).toBe(0)
  })
})

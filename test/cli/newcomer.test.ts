// What somebody who does not know the API yet is told by the command line.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell
beforeAll(async () => {
  test = await startTestServer()
  const { api_key: token } = (await test.call('POST', '/api/v1/api-keys', { name: 'me', collection_name: 'acme' })).body
  shell = openShell(test.url, token, true)
  const tasks: Record<string, object> = {
    greet: {
      init_params: { name: 'world' },
      step_configs: { say: { activity: 'text_template', template: 'Hi {{name}}', name_path: 'init_params.name' } },
      steps: ['say'],
    },
    ask: {
      init_params: { model: 'scripted/echo' },
      step_configs: {
        ask: { activity: 'litellm_chat', model_path: 'init_params.model', prompt_path: 'init_params.question' },
      },
      steps: ['ask'],
    },
    nap: { step_configs: { nap: { activity: 'sleep', seconds_path: 'init_params.seconds' } }, steps: ['nap'] },
    gate: { step_configs: { gate: { activity: 'wait_for_approval', message: 'May it go?' } }, steps: ['gate'] },
    fan: {
      step_configs: {
        each: {
          activity: 'list_emit_await',
          items_path: 'init_params.items',
          child_workflow_name: 'nap',
          item_param_name: 'seconds',
        },
      },
      steps: ['each'],
    },
    read: { step_configs: { read: { activity: 'read_uploaded_file' } }, steps: ['read'] },
  }
  for (const [name, workflow] of Object.entries(tasks))
    await test.call('POST', '/api/v1/tasks/acme', { name, workflow })
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

const ok = async (...args: string[]) => {
  const ended = await shell.jetty(args)
  expect(ended).toMatchObject({ code: 0 })
  return ended
}

/** Starts a run, and gives its place. */
const started = async (task: string, ...params: string[]): Promise<string> =>
  (await ok('run', `acme/${task}`, ...params.flatMap((one) => ['-p', one]))).stdout.trim()

const idOf = (place: string): string => place.split('/').at(-1) ?? ''

describe('a parameter that the workflow does not have', () => {
  it('is a warning, with the nearest name', async () => {
    const ended = await ok('run', 'acme/greet', '-p', 'nmae=moon', '--wait')
    expect(ended.stderr).toContain("warning: Task 'greet' has no parameter 'nmae'")
    expect(ended.stderr).toContain("did you mean 'name'?")
    expect((await ok('run', 'acme/ask', '-p', 'question=Why?')).stderr).not.toContain('warning')
  })

  it('is one of a rerun too, and JSON under --json', async () => {
    const place = await started('greet')
    const ended = await ok('rerun', place, '-p', 'nam=moon', '--json')
    expect(JSON.parse(ended.stderr)).toEqual({
      warning: {
        message: "Task 'greet' has no parameter 'nam', and its runs do not use it; did you mean 'name'?",
      },
    })
  })
})

describe('jetty runs get', () => {
  it('shows parameters, result, model and cost, and the zone of its times', async () => {
    await ok('run', 'acme/ask', '-p', 'question=Why not?', '--wait')
    const { stdout } = await shell.jetty(['runs', 'get', 'acme/ask'], { env: { TZ: 'Asia/Kolkata' } })
    expect(stdout).toMatch(/^parameters +model = scripted\/echo\n +question = Why not\?$/m)
    expect(stdout).toMatch(/^result +text = Why not\?$/m)
    expect(stdout).toMatch(/^model +scripted\/echo$/m)
    expect(stdout).toMatch(/^cost +\$0$/m)
    expect(stdout).toMatch(/^created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+05:30$/m)
  })
})

describe('a run that waits for a person', () => {
  it('says so in documents, lists and events, and the command line says how to decide', async () => {
    const place = await started('gate')
    const id = idOf(place)
    const run = await test.until('gate', id, ({ waiting }) => waiting !== null)
    const waiting = [
      {
        step: 'gate',
        message: 'May it go?',
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{15}Z$/),
        expires_at: null,
        decide: `POST /api/v1/trajectory/acme/gate/${id}/steps/gate/approval`,
      },
    ]
    expect(run).toMatchObject({ status: 'running', waiting })
    const get = async (path: string) => (await test.call('GET', `/api/v1/${path}`)).body
    expect((await get('db/trajectories/acme/gate')).trajectories[0]).toMatchObject({ waiting })
    expect((await get('db/trajectories/acme/gate?view=summary')).trajectories[0]).toMatchObject({ waiting })
    expect((await get('runs/acme?task=gate')).runs[0]).toMatchObject({ status: 'running', waiting })
    expect(await get(`workflows-logs/${run.workflow_id}`)).toMatchObject({ status: 'running', waiting })

    const shown = (await ok('runs', 'get', place)).stdout
    expect(shown).toMatch(/^status +running \(waiting for a person\)$/m)
    expect(shown).toContain(`jetty approve ${place} gate`)
    expect((await ok('runs', 'ls', 'acme/gate')).stdout).toMatch(/ waiting /)
    expect((await ok('runs', 'ls', 'acme')).stdout).toMatch(new RegExp(`gate/${id} +waiting `))

    const decision = (await get(`trajectory/acme/gate/${id}`)).waiting[0].decide.split(' ')
    expect((await test.call(decision[0], decision[1], { decision: 'approve' })).status).toBe(200)
    expect(await test.until('gate', id, ({ ended }) => ended !== null)).toMatchObject({ waiting: null })
    expect((await get('runs/acme?task=gate')).runs[0]).toMatchObject({ status: 'completed', waiting: null })
  })

  it('tells those who watch it', async () => {
    const place = await started('gate')
    const events = await test.call('GET', '/api/v1/health') // the server is awake before the watch begins
    expect(events.status).toBe(200)
    const watched = shell.jetty(['runs', 'watch', place], {
      when: [
        'decide with:',
        () => test.call('POST', `/api/v1/trajectory/${place}/steps/gate/approval`, { decision: 'approve' }),
      ],
    })
    expect(await watched).toMatchObject({ code: 0, stderr: expect.stringContaining(`jetty approve ${place}`) })
  })
})

describe('a fan-out', () => {
  it('counts its children while they run, and those are listed by the place of their parent', async () => {
    const place = await started('fan', 'items=[0,0,0,50]')
    const run = await test.until('fan', idOf(place), ({ steps }) => steps.each?.progress?.ended === 3)
    expect(run.steps.each.progress).toEqual({ total: 4, begun: 4, ended: 3, completed: 3, failed: 0, cancelled: 0 })
    expect((await ok('runs', 'get', place)).stdout).toContain('3 of 4 runs ended')
    const ids = async (parent: string) =>
      (await ok('runs', 'ls', 'acme', '--parent', parent, '--json')).json().map((one: Body) => one.trajectory_id)
    expect(await ids(idOf(place))).toHaveLength(4)
    expect(await ids(place)).toEqual(await ids(idOf(place)))
    expect(await ids(`${test.url}/${place}`)).toEqual(await ids(idOf(place)))
    const watched = await shell.jetty(['runs', 'watch', place], {
      typed: [
        ['3 of 4 runs ended', '\u0003'],
        ['Cancel it with:', ''],
      ],
    })
    expect(watched.stdout).toContain(`jetty runs cancel ${place}`)
    await ok('runs', 'cancel', place)
  })
})

describe('Ctrl-C while a run is waited for', () => {
  it('leaves the run going, and says how to watch and cancel it', async () => {
    const args = ['run', 'acme/nap', '-p', 'seconds=50', '--wait']
    const ended = await shell.jetty(args, { interruptAt: 'acme/nap/' })
    expect(ended).toMatchObject({ code: 130, stdout: '' })
    const place = /The run continues on the server: (\S+)/.exec(ended.stderr)?.[1] ?? ''
    expect(ended.stderr).toContain(`Watch it with:  jetty runs watch ${place}\n`)
    expect(ended.stderr).toContain(`Cancel it with: jetty runs cancel ${place}\n`)
    expect(await test.get('nap', idOf(place))).toMatchObject({ ended: null })
    await ok('runs', 'cancel', place)
  })
})

describe('times', () => {
  it('may be given as spans', async () => {
    await started('greet')
    expect((await ok('runs', 'ls', 'acme/greet', '--since', '1h', '--json')).json().length).toBeGreaterThan(0)
    const key = (await ok('keys', 'create', 'acme', '--name', 'yearly', '--expires', '1y', '--json')).json()
    expect((Date.parse(key.expires_at) - Date.now()) / 86_400_000).toBeCloseTo(365, 0)
  })
})

describe('each filter of the API', () => {
  let place: string
  beforeAll(async () => {
    const task = 'acme/greet'
    await ok('run', task, '--wait')
    place = (await ok('runs', 'ls', task, '-n', '1', '--json')).json()[0].trajectory_id
    await ok('labels', 'add', `${task}/${place}`, 'quality=high')
  })

  it.each([
    [['--not-task', 'ask'], true],
    [['--not-task', 'greet'], false],
    [['--not-status', 'failed'], true],
    [['--not-status', 'completed', '--not-status', 'running'], false],
    [['--not-label', 'quality:low'], true],
    [['--not-label', 'quality'], false],
    [['--trigger', 'api'], true],
    [['--trigger', 'routine', '--trigger', 'parent'], false],
    [['--author', 'api-key:me'], true],
    [['--author', 'admin'], false],
    [['--until', '2020-01-01'], false],
    [['--task-version', '0'], true],
    [['--routine', '7'], false],
    [['--top-level'], true],
    [['--waiting-for', 'event'], false],
    [['--max-cost', '1'], false], // its cost is not known,
    [['--error', 'nothing'], false],
  ])('is an option: %s', async (options, isListed) => {
    const runs = (await ok('runs', 'ls', 'acme', ...options, '-n', '100', '--json')).json()
    expect(runs.some((run: Body) => run.trajectory_id === place)).toBe(isListed)
  })
})

describe('errors under --json', () => {
  it.each([
    [
      ['tasks', 'get', 'acme/nothing'],
      { code: 'not_found', status: 404, hint: 'jetty tasks ls acme lists its tasks.' },
    ],
    [['runs', 'ls', 'acme', '--nonsense'], { code: 'usage', message: "unknown option '--nonsense'" }],
    [['nonsense'], { code: 'usage', message: expect.stringContaining("unknown command 'nonsense'") }],
    [['keys', 'create', 'acme', '--name', 'x', '--expires', 'soon'], { code: 'usage' }],
    [['tasks', 'ls', 'acme', '--url', 'http://127.0.0.1:9'], { code: 'network_failed' }],
  ])('%j are one line of JSON on stderr', async (args, error) => {
    const ended = await shell.jetty([...args, '--json'])
    expect(ended).toMatchObject({ code: error.code === 'network_failed' ? 3 : 2, stdout: '' })
    expect(JSON.parse(ended.stderr)).toMatchObject({ error })
  })
})

describe('hints', () => {
  it('speak of commands and options, not of calls and forms', async () => {
    const ended = await shell.jetty(['run', 'acme/read', '--wait'])
    expect(ended).toMatchObject({ code: 1 })
    expect(ended.stderr).toContain('Send the file with the run: -f <path>')
    expect(ended.stderr).toMatch(/^Run it again with: jetty rerun acme\/read\/\w+ --from read$/m)
    expect(ended.stderr).not.toMatch(/form field|\/api\/v1/)
  })
})

describe('a browser at /', () => {
  it('is led to what there is, under a strict policy; programs get JSON', async () => {
    const page = await fetch(`${test.url}/`, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; /)
    const text = await page.text()
    for (const place of ['/docs', '/openapi.json']) expect(text).toContain(`href="${place}"`)
    expect(text).not.toContain('<script')
    const json = await fetch(`${test.url}/`)
    expect(await json.json()).toMatchObject({ status: 'healthy' })
    const health = await fetch(`${test.url}/health`, { headers: { accept: 'text/html' } })
    expect(health.headers.get('content-type')).toMatch(/^application\/json/)
  })
})

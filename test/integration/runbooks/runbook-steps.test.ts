// A step that carries a runbook out: what is recorded of it, what is told while it goes on, and how it ends.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { type Doing, failing, makeRunner, says, textFile, untilAborted } from '../runs/carrying.ts'

const secret = 'a-secret-of-the-run-4711'

const does: Record<string, Doing> = {
  'says nothing': async () => undefined,
  'writes files': async (_, host) => {
    const results = [
      await host.keep(textFile('grade.json', '{"ok":true}'), 'grade.json'),
      await host.keep(textFile('grade.json', '{"ok":false}'), 'deep/er/grade.json'),
    ]
    return { results_files: results, files: results, primary_files: [results[0]?.path ?? ''] }
  },
  'writes and fails': async (_, host) => {
    const results = [await host.keep(textFile('half.txt', 'half'), 'half.txt')]
    return { ...failing('missing_files', 'summary.md is not there'), results_files: results, files: results }
  },
  'fails once': async (_, host) => (host.isRepeated ? undefined : failing('agent_failed')),
  'tells much': async (_, host) => {
    host.tell({ type: 'phase', phase: 'working', message: 'It works' })
    host.tell({ type: 'tool_call', id: 'one', name: 'Bash', input: { command: `echo ${secret}` } })
    host.tell({ type: 'tool_result', id: 'one', output: `nul \0 and ${secret}`, is_error: false })
    host.tell(says('x'.repeat(200_000)))
    for (let at = 0; at < 450; at++) host.tell(says(`line ${at}`))
    host.tell({ type: 'usage', model: 'm', prompt_tokens: 3, completion_tokens: 4, cost_usd: 0.5 })
    host.tell({ type: 'error', message: 'something' })
    host.tell({ type: 'end', ok: true, reason: 'completed' })
    return undefined
  },
  'waits to be ended': async (_, host) => {
    host.tell(says('begun'))
    await untilAborted(host)
    const results = [await host.keep(textFile('late.txt', 'kept all the same'), 'late.txt')]
    return { ...failing('cancelled'), results_files: results, files: results }
  },
  pays: async (_, host) => {
    await host.paid({ model: 'openai/m', usd: 0.25, tokens: 100 })
    await host.paid({ model: 'openai/m', usd: null, tokens: 0 })
    return undefined
  },
  'reads a file': async ({ files }, host) => {
    const file = await host.openFile(files?.[0] ?? '')
    let text = ''
    for await (const part of file.open()) text += Buffer.from(part).toString()
    return { text: `${file.name} ${file.size} ${text}` }
  },
}

const { runner, hosts, requests, looks } = makeRunner(does)
let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ runbooks: runner, env: { JETTY_RUNBOOK_EVENTS: '400' } })
  jetty.leaks.remember('the secret of a run', secret)
})
afterAll(() => jetty.close())
beforeEach(() => {
  for (const list of [hosts, requests, looks]) list.length = 0
})

const runbook = (instruction: string, given: Record<string, unknown> = {}) => ({
  activity: 'runbook',
  agent: 'scripted',
  instruction,
  ...given,
})
const alone = (instruction: string, given: Record<string, unknown> = {}) => ({
  step_configs: { run: runbook(instruction, given) },
  steps: ['run'],
})
const logOf = async (run: Body, query = '') =>
  (await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}${query}`)).body
const eventsUrl = (run: Body) => `${jetty.url}/api/v1/trajectory/${run.name}/${run.trajectory_id}/events`

describe('what it records', () => {
  it('outputs as the contract has them, and success', async () => {
    const run = await jetty.run(alone('says nothing'))
    expect(run).toMatchObject({ status: 'completed', error: null })
    expect(run.steps.run.outputs).toMatchObject({
      success: true,
      failure_reason: null,
      results_dir: '/app/results',
      text: 'Carried out.',
      agent: 'scripted',
      sandbox: 'bubblewrap',
    })
    expect(hosts[0]).toMatchObject({ id: run.trajectory_id, isRepeated: false })
  })

  it('files whose paths end with their own names, folders kept apart, readable once the step is recorded', async () => {
    const run = await jetty.run(alone('writes files'))
    const { results_files: files, primary_files: primary } = run.steps.run.outputs
    const at = `acme/${run.task}/0000/${run.trajectory_id}.run`
    expect(files.map(({ path }: Body) => path)).toEqual([
      `${at}.0000.app--results--grade.json`,
      `${at}.0001.app--results--deep--er--grade.json`,
    ])
    expect(files[1]).toMatchObject({ name: 'grade.json', relative_path: 'deep/er/grade.json', extension: 'json' })
    expect(primary).toEqual([files[0].path])
    expect((await jetty.call('GET', `/api/v1/file/${files[1].path}`)).body).toBe('{"ok":false}')
  })

  it('a failure with everything that was made', async () => {
    const run = await jetty.run(alone('writes and fails'))
    expect(run).toMatchObject({ status: 'failed', error: "Step 'run' failed: summary.md is not there" })
    expect(run.steps.run).toMatchObject({
      status: 'failed',
      error_detail: { code: 'runbook_failed' },
      outputs: { success: false, failure_reason: 'missing_files' },
    })
    const [file] = run.steps.run.outputs.results_files
    expect((await jetty.call('GET', `/api/v1/file/${file.path}`)).body).toBe('half')
    expect(hosts).toHaveLength(1)
  })

  it('later steps read what it made, also where it failed and the run goes on', async () => {
    const reads = { activity: 'text_echo', text_path_expr: 'run.outputs.results_files[0].path' }
    const made = { activity: 'read_text_file', path_path: 'run.outputs.results_files[0].path' }
    for (const [instruction, options] of [
      ['writes files', {}],
      ['writes and fails', { options: { continue_on_error: true } }],
    ] as const) {
      const run = await jetty.run({
        step_configs: { run: runbook(instruction, options), reads, made },
        steps: ['run', 'reads'],
      })
      expect(run.status).toBe('completed')
      expect(run.steps.reads.outputs.text).toBe(run.steps.run.outputs.results_files[0].path)
    }
  })

  it('is tried again only where its options say so', async () => {
    const run = await jetty.run(alone('fails once', { options: { retry: { retry_on: 'all', backoff: 0 } } }))
    expect(run).toMatchObject({ status: 'completed', steps: { run: { attempt: 2 } } })
    expect(hosts.map(({ isRepeated }) => isRepeated)).toEqual([false, true])
    expect((await jetty.run(alone('fails once'))).status).toBe('failed')
  })

  it('what it cost counts once, for its run and its collection', async () => {
    const run = await jetty.run(alone('pays'))
    const [spent] = await jetty.server.database.query(
      `select s.usd::float8 as usd from run_spending s join runs r on r.id = s.run_id where r.trajectory_id = '${run.trajectory_id}'`,
    )
    expect(spent).toEqual({ usd: 0.25 })
  })

  it('gives what only init_params say: model_provider and subscription_credential', async () => {
    await jetty.run({ init_params: { model_provider: 'openai' }, ...alone('says nothing') })
    expect(requests[0]).toMatchObject({ model_provider: 'openai' })
    await jetty.run({
      init_params: { model_provider: 'openai' },
      ...alone('says nothing', { model_provider: 'google' }),
    })
    expect(requests[1]).toMatchObject({ model_provider: 'google' })
  })

  it('reads files of the collection, and no others', async () => {
    const run = await jetty.run(
      alone('reads a file', { files_path: 'init_params.file_paths' }),
      {},
      { 'in.txt': 'hello' },
    )
    expect(run.steps.run.outputs.text).toBe('in.txt 5 hello')
  })

  it('two of them in one run have names of their own', async () => {
    const run = await jetty.run({
      step_configs: { a: runbook('says nothing'), b: runbook('says nothing') },
      steps: ['a', 'b'],
    })
    expect(hosts.map(({ id }) => id)).toEqual([`${run.trajectory_id}-0`, `${run.trajectory_id}-1`])
  })
})

describe('what it tells', () => {
  it('is in the log, in order, without secrets, bounded in number and size', async () => {
    const run = await jetty.run(alone('tells much'), { secret_params: { TOKEN: secret } })
    expect(hosts[0]?.secretParams).toEqual(['TOKEN'])
    const first = await logOf(run, '?limit=300')
    const second = await logOf(run, `?limit=300&cursor=${first.next_cursor}`)
    expect(second.next_cursor).toBeNull()
    const isTold = ({ type }: Body) => /^(agent_|model_call)/.test(type)
    const told = [...first.events.filter(isTold), ...second.events]
    expect(told.map(({ attributes }: Body) => attributes.n)).toEqual(told.map((_: unknown, n: number) => n))
    expect(told[1]).toMatchObject({ type: 'agent_tool_call', attributes: { input: { command: 'echo ***' } } })
    expect(told[2]).toMatchObject({ type: 'agent_tool_result', attributes: { output: 'nul \0 and ***' } })
    expect(told[3].message).toHaveLength(500)
    expect(told[3].attributes.text).toMatch(/^x{16384}… \(183616 more characters\)$/)
    expect(told.slice(4, 400).map(({ message }: Body) => message)).toEqual(
      Array.from({ length: 396 }, (_, at) => `line ${at}`),
    )
    // Beyond the limit: that there is more, what went wrong, and the end.
    expect(told.slice(400).map(({ type }: Body) => type)).toEqual(['agent_warning', 'agent_error', 'agent_end'])
    expect(first.events.at(-1).type).toBe('run_completed')
    expect(told[0]).toMatchObject({ type: 'agent_phase', step: 'run', activity: 'runbook', message: 'It works' })
  })

  it('stands in the document, a line each, the newest ones', async () => {
    const { task, trajectory_id: id } = await jetty.run(alone('tells much'), { secret_params: { TOKEN: secret } })
    const { logs } = (await jetty.get(task, id)).steps.run
    expect(logs).toHaveLength(50)
    expect(logs.at(-1)).toMatchObject({ type: 'agent_end', message: 'completed' })
  })

  it('comes as it happens, and whoever lost the connection goes on after the last one', async () => {
    const task = await jetty.task(alone('waits to be ended'))
    const run = { ...(await jetty.start(task)), name: `acme/${task}` }
    const token = jetty.server.adminToken
    const seen = await readEvents(eventsUrl(run), token, {
      lastEventId: 0,
      enough: (events) => events.some(({ data }) => data.type === 'agent_message'),
    })
    const message = seen.events.find(({ data }) => data.type === 'agent_message')
    expect(message).toMatchObject({ event: 'log', data: { step: 'run', message: 'begun', attributes: { n: 0 } } })
    const { id = 0 } = message ?? {}
    expect(id).toBeGreaterThan(0)
    const [rest] = await Promise.all([
      readEvents(eventsUrl(run), token, { lastEventId: id }),
      jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [run.trajectory_id]: 'cancelled' }),
    ])
    expect(rest.events.filter(({ data }) => data.type === 'agent_message')).toEqual([])
    expect(rest.events.at(-1)?.event).toBe('end')
  })

  it('and is gone with its run', async () => {
    const name = 'passing'
    await jetty.call('POST', '/api/v1/collections', { name })
    await jetty.call('POST', `/api/v1/tasks/${name}`, { name: 't', workflow: alone('tells much') })
    const form = new FormData()
    form.append('secret_params', JSON.stringify({ TOKEN: secret }))
    await jetty.call('POST', `/api/v1/run-sync/${name}/t`, form)
    const count = async () =>
      (
        await jetty.server.database.query(
          'select from step_events e where not exists (select from runs where id = e.run_id)',
        )
      ).length
    await jetty.call('DELETE', `/api/v1/collections/${name}`)
    expect(await count()).toBe(0)
    const left = await jetty.server.database.query(
      `select from step_events e join runs r on r.id = e.run_id where r.name = '${name}/t'`,
    )
    expect(left).toHaveLength(0)
  })
})

describe('how it ends', () => {
  it('cancelled: it is waited for, and what it had made is kept', async () => {
    const task = await jetty.task(alone('waits to be ended'))
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, (run) => run.steps.run?.logs?.length > 0)
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    const run = await jetty.until(task, id, ({ status }) => status === 'cancelled')
    expect(run.steps.run).toMatchObject({ status: 'cancelled', outputs: { failure_reason: 'cancelled' } })
    expect((await jetty.call('GET', `/api/v1/file/${run.steps.run.outputs.files[0].path}`)).body).toBe(
      'kept all the same',
    )
  })

  it('a try that takes too long is waited for as well', async () => {
    const run = await jetty.run(alone('waits to be ended', { options: { timeout_sec: 0.1 } }))
    expect(run.error).toBe("Step 'run' failed: timed out after 0.1 s")
    expect(run.steps.run.outputs.files).toHaveLength(1)
  })
})

describe('before it begins', () => {
  const refused = async (workflow: Body, form: FormData = new FormData()) => {
    const task = await jetty.task(workflow)
    const answer = await jetty.call('POST', `/api/v1/run/acme/${task}?preflight=refuse`, form)
    const runs = (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body
    expect(runs.trajectories).toEqual([])
    expect(hosts).toEqual([])
    return answer
  }

  it('it is looked at: what cannot be carried out is a 422 with preflight=refuse, and nothing is recorded', async () => {
    const answer = await refused(alone('says nothing', { agent: 'hermes' }))
    expect(answer.status).toBe(422)
    expect(JSON.stringify(answer.body)).toContain("There is no agent 'hermes'")
    expect((await refused(alone('says nothing', { cpus: 'many' }))).status).toBe(422)
    const missing = await refused(alone('says nothing', { files: ['acme/none/0000/none.txt'] }))
    expect(JSON.stringify(missing.body)).toContain('acme/none/0000/none.txt')
  })

  it('what only earlier steps will say is not held against it', async () => {
    const run = await jetty
      .run({
        step_configs: {
          first: { activity: 'text_echo', text: 'a' },
          run: runbook('says nothing', { files_path: 'first.outputs.text', template_variables: { a: 'b' } }),
        },
        steps: ['first', 'run'],
      })
      .catch((error: Error) => error.message)
    expect(looks).toHaveLength(1)
    expect(looks[0]?.request.files).toBeUndefined()
    expect(run).toMatchObject({ status: 'failed' }) // a text is no list of files: the step says so
  })
})

// A run once more, from any of its steps: what was done before it is not done again.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { removeOldRuns } from '../../../src/store/collections/retention.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const token = 'sk-unmistakable-rerun-c40e19d7'

/** What was done, in order. */
const effects: string[] = []
const effect = activity({
  name: 'effect',
  category: 'text',
  description: 'Does something that can be counted.',
  parameters: z.object({
    of: z.string().describe('What it does.'),
    seen: z.unknown().optional().describe('Anything.'),
    secret: z.unknown().optional().describe('A secret.'),
    length: z.number().default(0).describe('Characters to put out.'),
    fail: z.boolean().default(false).describe('Whether it fails.'),
  }),
  outputs: z.object({ done: z.string().describe('What was done.'), text: z.string().describe('A text.') }),
  example: { activity: 'effect', of: 'a' },
  gotchas: ['It is for tests.'],
  async run({ of, seen, length, fail }) {
    effects.push(of)
    if (fail) throw new Error('as asked')
    return { done: `${of}(${typeof seen === 'string' ? seen.slice(0, 40) : ''})`, text: 'x'.repeat(length) }
  },
})

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [effect] })
})
afterAll(() => jetty?.close())

const step = (of: string, more: Record<string, unknown> = {}) => ({ activity: 'effect', of, ...more })
const six = (more: Record<string, Record<string, unknown>> = {}) => ({
  init_params: { word: 'tea' },
  step_configs: {
    a: step('a', { seen_path: 'init_params.word', ...more.a }),
    b: step('b', { seen_path: 'a.outputs.done', length: 100_000, ...more.b }),
    c: step('c', { seen_path: 'b.outputs.text', ...more.c }),
    d: step('d', { seen_path: 'c.outputs.done', ...more.d }),
    e: step('e', { seen_path: 'd.outputs.done', ...more.e }),
    f: step('f', { seen_path: 'a.outputs.done', ...more.f }),
  },
  steps: ['a', 'b', 'c', 'd', 'e', 'f'],
})

const rerun = (task: string, id: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(`${jetty.url}/api/v1/trajectory/acme/${task}/${id}/rerun`, {
    method: 'POST',
    headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).then(async (response) => ({ status: response.status, body: (await response.json()) as Body }))

const again = async (of: Body, body?: unknown): Promise<Body> => {
  const answer = await rerun(of.task, of.trajectory_id, body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  expect(answer.body).toMatchObject({
    message: 'Workflow started',
    trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
  })
  return jetty.until(of.task, answer.body.trajectory_id, (run) => run.ended !== null)
}
const refused = async (of: Body, body: unknown): Promise<Body> => {
  const answer = await rerun(of.task, of.trajectory_id, body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(422)
  expect(effects).toEqual([])
  return answer.body.detail[0]
}
const query = (text: string, values: unknown[] = []) => jetty.server.database.query<Body>(text, values)
const started = async (workflow: Body, form = {}) => {
  const run = await jetty.run(workflow, form)
  effects.length = 0
  return run
}

describe('from a step on', () => {
  it('the steps before it are not executed, and have their results and their origin', async () => {
    const first = await started(six())
    const run = await again(first, { from_step: 'e' })
    expect(effects).toEqual(['e', 'f'])
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(Object.keys(run.steps)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    for (const name of ['a', 'b', 'c', 'd']) {
      const { origin, ...carried } = run.steps[name]
      const { origin: _, ...recorded } = first.steps[name]
      expect(carried).toEqual({ ...recorded, ready_at: null })
      expect(origin).toMatchObject({ trajectory_id: first.trajectory_id, task: first.name, step: name, kind: 'rerun' })
    }
    expect(run.steps.e.outputs).toEqual(first.steps.e.outputs)
    expect(run.steps.e.origin.kind).toBeUndefined()
    expect(run.attributes.params).toEqual({
      rerun: { of: first.trajectory_id, task: first.name, version: 'same', from_step: 'e' },
    })
    expect(run.completed_steps).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('other parameters are seen by what is executed, and by nothing before', async () => {
    const first = await started(six())
    const run = await again(first, { from_step: 'f', init_params: { word: 'mint', more: 1 } })
    expect(run.init_params).toEqual({ word: 'mint', more: 1 })
    expect(run.steps.f.outputs.done).toBe('f(a(tea))')
    const whole = await again(first, { init_params: { word: 'mint' } })
    expect(whole.steps.f.outputs.done).toBe('f(a(mint))')
  })

  it('without a body everything is executed, with the parameters of before', async () => {
    const first = await started(six(), { init_params: { word: 'rooibos' } })
    const run = await again(first)
    expect(effects).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    expect(run.init_params).toEqual({ word: 'rooibos' })
    expect(Object.values<Body>(run.steps).every(({ origin }) => origin.kind === undefined)).toBe(true)
  })

  it('a failed run goes on at the step that failed, with the version that the task has now', async () => {
    const failed = await started(six({ d: { fail: true } }))
    expect(failed.status).toBe('failed')
    await jetty.call('PUT', `/api/v1/tasks/acme/${failed.task}`, { workflow: six({ d: { of: 'better' } }) })
    const same = await again(failed, { from_step: 'd' })
    expect([same.status, effects.splice(0)]).toEqual(['failed', ['d']])
    const run = await again(failed, { from_step: 'd', version: 'current' })
    expect([run.status, effects]).toEqual(['completed', ['better', 'e', 'f']])
    expect(run.steps.d.origin.task_version).not.toBe(failed.steps.d.origin.task_version)
  })

  it('a rerun of a rerun says where each step was really executed', async () => {
    const first = await started(six())
    const second = await again(first, { from_step: 'c' })
    const third = await again(second, { from_step: 'e' })
    const origins = ['a', 'b', 'c', 'd'].map((name) => third.steps[name].origin.trajectory_id)
    expect(origins).toEqual([first, first, second, second].map((run) => run.trajectory_id))
  })

  it('what was carried outlives the run it comes from, large values too', async () => {
    const first = await started(six())
    const run = await again(first, { from_step: 'd' })
    await query(
      `update runs set created_at = created_at - interval '9 days',
        ended_at = ended_at - interval '9 days'
      where trajectory_id = $1`,
      [first.trajectory_id],
    )
    await jetty.call('PATCH', '/api/v1/collections/acme/settings', { retention_days: 7 })
    await removeOldRuns(jetty.server.database, { objects: jetty.server.objects })
    await jetty.call('PATCH', '/api/v1/collections/acme/settings', { retention_days: null })
    expect((await rerun(first.task, first.trajectory_id)).status).toBe(404)
    const still = await jetty.get(first.task, run.trajectory_id)
    expect(still.steps.b.outputs.text).toHaveLength(100_000)
    const next = await again(still, { from_step: 'c' })
    expect(next.steps.c.outputs).toEqual(run.steps.c.outputs)
  })

  it('carried steps count in no total, no work time and no cost', async () => {
    const first = await started(six())
    const run = await again(first, { from_step: 'e' })
    const rows = await query(
      `select s.name, s.work_ms::int work from steps s join runs r on r.id = s.run_id
      where r.trajectory_id = $1 order by s.seq`,
      [run.trajectory_id],
    )
    expect(rows.slice(0, 4).map(({ work }) => work)).toEqual([0, 0, 0, 0])
    const [totals] = await query(
      `select task_id::int, sum(t.total)::int total from step_totals t join runs r using (task_id)
       where r.trajectory_id = $1 and step = 'a' group by task_id`,
      [run.trajectory_id],
    )
    expect(totals).toMatchObject({ total: 1 })
    const wrong = await wrongTotals((text) => query(text))
    expect(wrong.filter((line) => line.startsWith(`task ${totals?.task_id},`))).toEqual([]) // another test ages runs
  })

  it('the log says what was carried over, once and at the beginning', async () => {
    const first = await started(six())
    const run = await again(first, { from_step: 'e' })
    const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
    const types = body.events.filter((event: Body) => ['a', 'e'].includes(event.step)).map((event: Body) => event.type)
    expect(types).toEqual(['step_carried', 'step_started', 'step_completed'])
    const times = body.events.map((event: Body) => event.timestamp)
    expect(times).toEqual([...times].sort())
  })

  it('an open run lends what it has completed', async () => {
    const workflow = six()
    workflow.step_configs.c = { activity: 'sleep', seconds: 600 } as never
    const task = await jetty.task(workflow)
    const open = await jetty.start(task)
    await jetty.until(task, open.trajectory_id, (run) => run.steps.c !== undefined)
    effects.length = 0
    expect((await refused({ task, trajectory_id: open.trajectory_id }, { from_step: 'd' })).msg).toContain(
      "Step 'c' stands before 'd'",
    )
    const answer = await rerun(task, open.trajectory_id, { from_step: 'c' })
    expect(answer.status).toBe(200)
    const running = await jetty.until(task, answer.body.trajectory_id, (run) => run.steps.c?.status === 'running')
    expect([running.steps.a.status, effects]).toEqual(['completed', []])
    for (const id of [open.trajectory_id, answer.body.trajectory_id]) {
      await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    }
  })
})

it('a call of the gateway is asked once more, by the workflow that it is shown with', async () => {
  await jetty.call('POST', '/v1/chat/completions', {
    model: 'scripted/echo',
    messages: [{ role: 'user', content: 'hello' }],
    jetty: { runbook: false, collection: 'acme' },
  })
  const recorded = async () => (await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat')).body.trajectories
  await expect.poll(recorded).toHaveLength(1) // a database that takes its time is not waited for
  const [{ trajectory_id }] = await recorded()
  const run = await again({ task: '_chat', trajectory_id })
  expect([run.status, run.steps.completion.outputs.text]).toEqual(['completed', 'hello'])
})

describe('what is refused, in words', () => {
  it('a step that there is none of', async () => {
    const first = await started(six())
    const issue = await refused(first, { from_step: 'ee' })
    expect(issue).toMatchObject({ loc: ['body', 'from_step'], type: 'step_unknown' })
    expect(issue.msg).toBe("The run has no step 'ee'; did you mean 'e'? Its steps: a, b, c, d, e, f")
    const turn = await refused(first, { from_step: 'a__2' })
    expect(turn).toMatchObject({
      type: 'step_unknown',
      msg: expect.stringContaining("no step 'a__2'; its steps: a, b"),
    })
  })

  it('a step behind one that failed, or that was never reached', async () => {
    const failed = await started(six({ b: { fail: true } }))
    expect((await refused(failed, { from_step: 'c' })).msg).toMatch(
      /^Step 'b' stands before 'c' and has no result .* it is failed/,
    )
    const stopped = await started({ ...six(), step_configs: { ...six().step_configs, a: step('a', { fail: true }) } })
    expect((await refused(stopped, { from_step: 'd' })).type).toBe('step_without_result')
  })

  it('a version whose steps before it are others, naming the first that is', async () => {
    const first = await started(six())
    const changed = six()
    changed.steps = ['a', 'c', 'd', 'e', 'f']
    changed.step_configs.c = step('c', { seen: 'none' }) as never
    await jetty.call('PUT', `/api/v1/tasks/acme/${first.task}`, { workflow: changed })
    const issue = await refused(first, { from_step: 'e', version: 'current' })
    expect(issue).toMatchObject({ loc: ['body', 'from_step'], type: 'version_differs' })
    expect(issue.msg).toContain("differs before 'e': step 2 was 'b' and is 'c' now")
    expect((await refused(first, { from_step: 'b', version: 'current' })).msg).toContain("has no step 'b'")
  })

  it('fields that there are none of, and wrong ones', async () => {
    const first = await started(six())
    expect((await refused(first, { from: 'e' })).loc).toEqual(['body'])
    expect((await refused(first, { mode: 'again' })).loc).toEqual(['body', 'mode'])
  })

  it('a run that was sent in, and one whose task was deleted', async () => {
    const sent = await jetty.call('POST', '/api/v1/trajectories/acme/elsewhere/ingest', {
      trajectory_id: 'sent-in',
      status: 'completed',
      inputs: { a: 1 },
      outputs: { b: 2 },
    })
    expect(sent.status, JSON.stringify(sent.body)).toBe(200)
    const issue = await refused({ task: 'elsewhere', trajectory_id: 'sent-in' }, {})
    expect(issue.msg).toContain('was ingested from elsewhere')
    const first = await started(six())
    await jetty.call('DELETE', `/api/v1/tasks/acme/${first.task}`)
    const answer = await rerun(first.task, first.trajectory_id)
    expect([answer.status, answer.body.detail]).toEqual([404, expect.stringContaining('was deleted')])
  })
})

describe('secrets', () => {
  const sending = six({ e: { secret_path: 'env.RERUN_TOKEN' } })

  it('of the old run are gone: a step that reads one is refused, in words, until it is sent anew', async () => {
    const first = await started(sending, { secret_params: { RERUN_TOKEN: token } })
    expect(first.steps.e.inputs.secret).toBe('***')
    const issue = await refused(first, { from_step: 'e', preflight: 'refuse' })
    expect(issue.loc).toEqual(['body', 'secret_params', 'RERUN_TOKEN'])
    expect(issue.msg).toContain("Step 'e' reads RERUN_TOKEN")
    const run = await again(first, { from_step: 'e', secret_params: { RERUN_TOKEN: token } })
    expect([run.status, run.steps.e.inputs.secret]).toEqual(['completed', '***'])
    effects.length = 0
    const without = await again(first, { from_step: 'f' })
    expect([without.status, effects]).toEqual(['completed', ['f']])
  })

  it('that were struck out of parameters are named in a warning', async () => {
    const first = await started(six(), { init_params: { word: `key ${token}` }, secret_params: { TOKEN: token } })
    expect(first.init_params.word).toBe('key ***')
    const run = await again(first, { from_step: 'e' })
    expect(run.attributes.params.rerun.struck_out).toEqual(['word'])
    const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?level=warning`)
    expect(body.events.map((event: Body) => event.message)).toEqual([
      expect.stringContaining('init_params.word contains ***'),
    ])
    const anew = await again(first, { init_params: { word: 'tea' } })
    expect(anew.attributes.params.rerun.struck_out).toBeUndefined()
  })
})

it('an Idempotency-Key makes one run of fifty that are sent at once, and refuses another body', async () => {
  const first = await started(six())
  const headers = { 'Idempotency-Key': 'rerun-once' }
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => rerun(first.task, first.trajectory_id, { from_step: 'e' }, headers)),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  const ids = new Set(answers.map(({ body }) => body.trajectory_id))
  expect(ids.size).toBe(1)
  await jetty.until(first.task, [...ids][0], (run) => run.ended !== null)
  expect(effects).toEqual(['e', 'f'])
  expect((await rerun(first.task, first.trajectory_id, { from_step: 'e' }, headers)).body).toEqual(answers[0]?.body)
  expect((await rerun(first.task, first.trajectory_id, { from_step: 'f' }, headers)).status).toBe(409)
})

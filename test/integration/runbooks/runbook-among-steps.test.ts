// A runbook as one step among others: carried over, played back, fanned out, and paid for; without a sandbox.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { failing, makeRunner, textFile } from '../runs/carrying.ts'

const oneCall = { model: 'openai/m', usd: 0.25, tokens: 100 }

const { runner, hosts } = makeRunner({
  async works(_, host) {
    await host.paid(oneCall)
    host.tell({ type: 'usage', model: 'm', prompt_tokens: 60, completion_tokens: 40, cost_usd: oneCall.usd })
    const results = [await host.keep(textFile('one.txt', 'one'), 'one.txt')]
    return { results_files: results, files: results }
  },
  async fails(_, host) {
    const results = [await host.keep(textFile('half.txt', 'half'), 'half.txt')]
    return { ...failing('verify_failed', 'it did not pass'), results_files: results, files: results }
  },
  async 'asks until it may not'(_, host) {
    for (let calls = 0; calls < 10; calls++) {
      const call = { provider: 'openai', model: 'm', url: 'https://api.openai.com/v1', trusted: true }
      const refusal = await host.caller.admit?.({ ...call, hasPrice: async () => true }).catch((error) => error)
      if (refusal) return failing('budget_exceeded', `after ${calls} calls: ${refusal.message}`)
      await host.paid(oneCall)
    }
    return undefined
  },
})

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ runbooks: runner })
})
afterAll(() => jetty?.close())
beforeEach(() => {
  hosts.length = 0
})

const runbook = (instruction: string) => ({ activity: 'runbook', agent: 'scripted', instruction })
const among = (instruction: string) => ({
  step_configs: {
    before: { activity: 'text_echo', text: 'before' },
    run: runbook(instruction),
    after: { activity: 'text_echo', text_path_expr: 'run.outputs.results_files[0].name' },
  },
  steps: ['before', 'run', 'after'],
})
const again = async (of: Body, body: Body): Promise<Body> => {
  const answer = await jetty.call('POST', `/api/v1/trajectory/acme/${of.task}/${of.trajectory_id}/rerun`, body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return jetty.until(of.task, answer.body.trajectory_id, (run) => run.ended !== null)
}
const bytesAt = async (path: string) => (await jetty.call('GET', `/api/v1/file/${path}`)).body
const costOf = async ({ trajectory_id: id }: Body) =>
  (await jetty.call('GET', '/api/v1/runs/acme?limit=100')).body.runs.find((run: Body) => run.trajectory_id === id)
    ?.cost_usd

describe('once more', () => {
  it('from a later step: what an agent has made is carried over, and no agent works', async () => {
    const first = await jetty.run(among('works'))
    const run = await again(first, { from_step: 'after' })
    expect(run.status).toBe('completed')
    expect(hosts).toHaveLength(1)
    expect(run.steps.run).toMatchObject({
      outputs: first.steps.run.outputs,
      origin: { trajectory_id: first.trajectory_id, kind: 'rerun' },
    })
    expect(run.steps.after.outputs.text).toBe('one.txt')
    expect(await costOf(run)).toBeNull()
  })

  it('from its own step: another agent, with results of its own', async () => {
    const first = await jetty.run(among('works'))
    const run = await again(first, { from_step: 'run' })
    expect(hosts).toHaveLength(2)
    const [path, former] = [run, first].map(({ steps }) => steps.run.outputs.results_files[0].path)
    expect(path).not.toBe(former)
    expect(await bytesAt(path)).toBe('one')
  })

  it('played back: its result is that of the recording, and nothing is paid', async () => {
    const first = await jetty.run(among('works'))
    const run = await again(first, { mode: 'replay' })
    expect(run.status).toBe('completed')
    expect(hosts).toHaveLength(1)
    expect(run.steps.run).toMatchObject({ outputs: first.steps.run.outputs, origin: { kind: 'replay' } })
    expect(await costOf(run)).toBeNull()
  })

  it('played back where it had failed: the failure, with what was made', async () => {
    const first = await jetty.run(among('fails'))
    const run = await again(first, { mode: 'replay' })
    expect(hosts).toHaveLength(1)
    expect(run).toMatchObject({ status: 'failed', error: first.error })
    expect(run.steps.run.outputs).toEqual(first.steps.run.outputs)
    expect(run.steps.run.error_detail).toEqual(first.steps.run.error_detail)
  })
})

describe('what it costs', () => {
  it('is the cost of its run, beside its statistics', async () => {
    const run = await jetty.run(among('works'))
    expect(await costOf(run)).toBe(oneCall.usd)
    const failed = await jetty.run({ ...among('fails') })
    expect(failed.status).toBe('failed')
    const { body: stats } = await jetty.call('GET', `/api/v1/db/stats/acme/${failed.task}`)
    expect(stats).toMatchObject({ total: 1, by_status: { failed: 1 } })
  })

  it('ends with the budget of its run, and with that of its collection', async () => {
    const set = (settings: Body) => jetty.call('PATCH', '/api/v1/collections/acme/settings', settings)
    await set({ run_budget: { usd: 0.6 } })
    const ofRun = await jetty.run(among('asks until it may not'))
    expect(ofRun.steps.run.outputs.failure_reason).toBe('budget_exceeded')
    expect(ofRun.error).toMatch(/after 3 calls: The budget of this run is used up: \$0\.75 of \$0\.6/)
    await set({ run_budget: null, budget: { usd_per_day: 0.1 } })
    const ofDay = await jetty.run(among('asks until it may not'))
    expect(ofDay.error).toMatch(/after 0 calls: The budget of this collection for today is used up/)
    await set({ budget: null })
  })
})

it('fanned out: a run for each, of which each has its own agent, and they cost together', async () => {
  const child = await jetty.task({ step_configs: { run: runbook('works') }, steps: ['run'] })
  const run = await jetty.run({
    init_params: { items: [1, 2, 3] },
    step_configs: {
      fan: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: child },
      gather: {
        activity: 'extract_from_trajectories',
        trajectory_list_path: 'fan.outputs.trajectory_references',
        extract_keys: { file: 'run.outputs.results_files[0].path' },
      },
    },
    steps: ['fan', 'gather'],
  })
  expect(run.status, run.error).toBe('completed')
  expect(new Set(hosts.map(({ id }) => id)).size).toBe(3)
  const text = JSON.stringify(run.steps.gather.outputs)
  for (const { id } of hosts) expect(text).toContain(`${id}.run.0000.app--results--one.txt`)
})

it('fanned out where it cannot be carried out: refused before the first one begins', async () => {
  const hermes = { ...runbook('works'), agent: 'hermes' }
  const child = await jetty.task({ step_configs: { run: hermes }, steps: ['run'] })
  const run = await jetty.run({
    init_params: { items: [1, 2, 3] },
    step_configs: { fan: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: child } },
    steps: ['fan'],
  })
  expect(run).toMatchObject({ status: 'failed' })
  expect(run.error).toContain("There is no agent 'hermes'")
  expect(hosts).toEqual([])
})

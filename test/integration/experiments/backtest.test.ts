// Another version of a task, tried on recorded runs: what it executes, what it must not repeat, what it finds and pays.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { type GradedProvider, gradedWorkflow, gradingJudge, startGradedProvider } from './graded-provider.ts'

let provider: GradedProvider
let jetty: TestServer
/** Requests that a service outside got. */
let hits: string[] = []
const service = createServer((request, response) => {
  hits.push(`${request.method} ${request.url}`)
  response.end('{"ok": true}')
})

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', () => resolve()))
  const { port } = service.address() as AddressInfo
  provider = await startGradedProvider()
  jetty = await startTestServer({
    env: { OPENAI_BASE_URL: provider.url, JETTY_ALLOW_PRIVATE_NETWORK: `127.0.0.1:${port}` },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-backtest-unmistakable-41b7' },
  })
})
afterAll(async () => {
  await jetty?.close()
  await provider?.close()
  service.close()
})
beforeEach(() => {
  hits = []
  forget()
})

const forget = () => Object.assign(provider.bill, { answers: 0, judgements: 0, usd: 0 })

const judges = [gradingJudge]

const recorded = async (given: Body, count: number, passed = 0): Promise<string> => {
  const task = await jetty.task(given)
  const items = Array.from({ length: count + passed }, (_, at) => ({ question: `Question ${at}?`, asks: at < count }))
  const { body } = await jetty.call('POST', `/api/v1/run-batch/acme/${task}`, { items })
  await expect
    .poll(async () => (await jetty.call('GET', `/api/v1/batches/acme/${body.batch_id}`)).body.status, {
      timeout: 60_000,
    })
    .toBe('completed')
  return task
}
const start = (task: string, body: Body) => jetty.call('POST', `/api/v1/experiments/acme/${task}`, body)
const look = async (id: string) => (await jetty.call('GET', `/api/v1/experiments/acme/${id}?limit=500`)).body
const ended = async (task: string, given: Body): Promise<Body> => {
  const { body, status } = await start(task, given)
  expect([status, body]).toEqual([200, expect.objectContaining({ experiment_id: expect.any(String) })])
  await expect.poll(async () => (await look(body.experiment_id)).state, { timeout: 120_000 }).not.toBe('running')
  return look(body.experiment_id)
}

test('a plan names the first step that differs, and runs without one; it calls no model', async () => {
  const task = await recorded(gradedWorkflow('well'), 12, 5)
  const before = provider.bill.answers
  const { body } = await start(task, { workflow: gradedWorkflow('badly'), runs: { last: 100 }, dry_run: true })
  expect(body).toMatchObject({
    experiment_id: null,
    candidate: { version: null, index: null, models: {} },
    plan: { runs: 17, changed: 12, executions: 12, untouched: 5, cannot: 0, first_steps: { answer: 12 }, reason: null },
  })
  expect(body.plan.cost_usd.expected).toBeCloseTo(provider.bill.usd, 5)
  const same = await start(task, { runs: { last: 100 }, dry_run: true })
  expect(same.body.plan).toMatchObject({ changed: 0, untouched: 17, cost_usd: { expected: 0 } })
  const other = { ...gradedWorkflow('well'), init_params: { question: '', asks: true, tone: 'dry' } }
  expect((await start(task, { workflow: other, runs: { last: 100 }, dry_run: true })).body.plan.changed).toBe(0)
  const params = await start(task, { init_params: { question: 'Which?' }, runs: { last: 100 }, dry_run: true })
  expect(params.body.plan).toMatchObject({ changed: 12, untouched: 5 })
  const more = { ...gradedWorkflow('well'), steps: ['asks', 'answer', 'pass', 'bye'] }
  more.step_configs.bye = { activity: 'text_template', template: 'Bye.' }
  const added = await start(task, { workflow: more, runs: { last: 100 }, dry_run: true })
  expect(added.body.plan).toMatchObject({ changed: 17, first_steps: { bye: 17 }, cost_usd: { expected: 0 } })
  expect(provider.bill.answers).toBe(before)
})

test('another model is priced by the recorded tokens, whether a step names it or a parameter does', async () => {
  const workflow = gradedWorkflow('well')
  const { model: _, ...asking } = workflow.step_configs.answer
  const byParameter = {
    ...workflow,
    init_params: { ...workflow.init_params, model: 'gpt-4o-mini' },
    step_configs: { ...workflow.step_configs, answer: { ...asking, model_path: 'init_params.model' } },
  }
  for (const given of [workflow, byParameter]) {
    forget()
    const task = await recorded(given, 8)
    const recordedUsd = provider.bill.usd
    forget()
    const plan = async (model: string) => {
      const body = { models: { 'gpt-4o-mini': model }, dry_run: true }
      return (await start(task, body)).body.plan
    }
    const dearer = await plan('gpt-4o') // 2.5 and 10 instead of 0.15 and 0.6 dollars for a million tokens
    expect(dearer).toMatchObject({ changed: 8, first_steps: { answer: 8 }, reason: null })
    expect(dearer.cost_usd.expected / recordedUsd).toBeCloseTo(2.5 / 0.15, 3)
    expect(await plan('openai/unheard-of')).toMatchObject({
      cost_usd: null,
      reason: 'The price of openai/unheard-of is unknown',
    })
    expect(provider.bill.answers).toBe(0)
    const { items } = await ended(task, { models: { 'gpt-4o-mini': 'gpt-4o' }, runs: { last: 1 } })
    const trial = await jetty.get(task, items[0].trial_id)
    expect(trial.steps.answer.inputs.model).toBe('gpt-4o')
  }
})

test.each([
  { tone: 'badly', verdict: 'worse' },
  { tone: 'brilliantly', verdict: 'better' },
  { tone: 'nicely', verdict: 'no_difference' },
])(
  'answering $tone is $verdict; runs on another path cost nothing',
  { timeout: 180_000 },
  async ({ tone, verdict }) => {
    const task = await recorded(gradedWorkflow('well'), 40, 10)
    forget()
    const found = await ended(task, {
      workflow: gradedWorkflow(tone),
      runs: { last: 100 },
      judges,
      max_concurrency: 16,
    })
    expect(found).toMatchObject({ state: 'completed', progress: 1, outcomes: { untouched: 10, judged: 40 } })
    expect(found.judges).toMatchObject([{ name: 'good', n: 50, verdict }])
    if (verdict === 'no_difference') expect(found.judges[0].detectable).toBeGreaterThan(0.1)
    expect(provider.bill).toMatchObject({ answers: 40, judgements: 80 })
    expect(found.cost_usd).toBeCloseTo(provider.bill.usd, 6)
    const falls = found.items
      .filter(({ outcome }: Body) => outcome === 'judged')
      .map(({ verdicts }: Body) => verdicts.good.base - verdicts.good.candidate)
    expect(falls).toEqual([...falls].sort((left, right) => right - left))
    // The runs that were tried are no base of the next experiment.
    const next = await start(task, { workflow: gradedWorkflow('badly'), runs: { last: 500 }, dry_run: true })
    expect(next.body.plan.runs).toBe(50)
  },
)

const passing = { name: 'passes', instruction: 'Is it good?', model: 'gpt-4o-mini', binary: true }

test('repetitions execute both versions, share the judgement of the record, and say how much it varies', async () => {
  const task = await recorded(gradedWorkflow('well'), 12, 3)
  await ended(task, { workflow: gradedWorkflow('nicely'), runs: { last: 6 }, judges: [gradingJudge, passing] })
  const wanted = { workflow: gradedWorkflow('badly'), runs: { last: 100 }, judges: [gradingJudge, passing], repeat: 3 }
  const { plan } = (await start(task, { ...wanted, dry_run: true })).body
  expect(plan).toMatchObject({ runs: 15, changed: 12, executions: 12 * 5, untouched: 3 })
  forget()
  const found = await ended(task, wanted)
  // Three of the candidate and two more of the recorded version; each is judged once by both, and the record too.
  expect(provider.bill).toMatchObject({ answers: 12 * 5, judgements: 2 * 12 * 6 })
  expect(found.cost_usd).toBeCloseTo(provider.bill.usd, 6)
  expect(Math.abs(plan.cost_usd.expected / provider.bill.usd - 1)).toBeLessThan(0.4)
  expect(found).toMatchObject({ repeat: 3, outcomes: { judged: 36, untouched: 3 } })
  const arms = found.items.map(({ arm, repetition }: Body) => `${arm} ${repetition}`)
  expect(arms.filter((one: string) => one === 'base 2')).toHaveLength(12)
  const scores = found.items.filter(({ from_step }: Body) => from_step !== null)
  const ofRun = (id: string, arm: string): number[] =>
    scores.flatMap(({ trajectory_id, arm: of, verdicts }: Body) =>
      trajectory_id === id && of === arm ? [verdicts.good.candidate] : [],
    )
  const meanOf = (values: number[]) => values.reduce((sum, one) => sum + one, 0) / values.length
  const ids: string[] = [...new Set<string>(scores.map(({ trajectory_id }: Body) => trajectory_id))]
  let [sum, squares] = [0, 0]
  for (const id of ids) {
    const recordedScore = scores.find(({ trajectory_id }: Body) => trajectory_id === id).verdicts.good.base
    const base = [recordedScore, ...ofRun(id, 'base')]
    sum += meanOf(ofRun(id, 'candidate')) - meanOf(base)
    squares += base.reduce((total, one) => total + (one - meanOf(base)) ** 2, 0)
  }
  const [good, passes] = found.judges
  expect(good).toMatchObject({ n: 15, repeats: { pass_all: null } })
  expect(good.mean_difference).toBeCloseTo(sum / 15, 6)
  expect(good.repeats.noise).toBeCloseTo(Math.sqrt(squares / 24), 6)
  const all = (arm: string) =>
    ids.filter((id) =>
      scores
        .filter(({ trajectory_id, arm: of }: Body) => trajectory_id === id && of === arm)
        .every(({ verdicts }: Body) => verdicts.passes.candidate === 'yes'),
    ).length / ids.length
  expect(passes.repeats.pass_all).toBeCloseTo(all('candidate'), 6)
  expect(passes.repeats.pass_any).toBeGreaterThanOrEqual(passes.repeats.pass_all)
  expect(passes.repeats.base_pass_all).toBeLessThanOrEqual(all('base'))
})

test('a step that writes is not repeated: equal inputs take the recorded result, others end the trial', async () => {
  const { port } = service.address() as AddressInfo
  const told = { activity: 'http_request', method: 'POST', url: `http://127.0.0.1:${port}/told`, body: { done: true } }
  const task = await recorded(gradedWorkflow('well', { notify: told }), 6)
  expect(hits).toHaveLength(6)
  const same = await ended(task, {
    workflow: gradedWorkflow('badly', { notify: told }),
    output_path: 'answer.outputs.text',
  })
  expect(same).toMatchObject({ state: 'completed', outcomes: { changed: 6 } })
  expect(hits).toHaveLength(6)
  const trial = await jetty.get(task, same.items[0].trial_id)
  expect(trial.steps.notify.origin).toMatchObject({ trajectory_id: same.items[0].trajectory_id, step: 'notify' })

  const saying = { ...told, body: { said_path: 'answer.outputs.text' } }
  const other = { workflow: gradedWorkflow('badly', { notify: saying }), output_path: 'answer.outputs.text', judges }
  const cut = await ended(task, other)
  expect(cut.outcomes).toEqual({ stopped_before_effect: 6 })
  expect(cut.items[0]).toMatchObject({
    reason: expect.stringContaining("'notify' failed: not executed, as it writes"),
    verdicts: { good: {} },
  })
  expect(cut.judges[0]).toMatchObject({ n: 6 })
  expect(hits).toHaveLength(6)
  const lastOnly = await ended(task, { workflow: gradedWorkflow('badly', { notify: saying }), judges })
  expect(lastOnly).toMatchObject({ outcomes: { stopped_before_effect: 6 }, judges: [{ n: 6 }] })

  // Each trial is compared with what was recorded of `answer`, and a repetition of the record with what it ended with.
  forget()
  const repeated = { workflow: gradedWorkflow('badly', { notify: saying }), judges, repeat: 2 }
  const again = await ended(task, repeated)
  expect(again.outcomes).toEqual({ stopped_before_effect: 12 })
  expect(provider.bill).toMatchObject({ answers: 18, judgements: 12 * 2 + 6 })
  const base = async (id: string) =>
    Number(/quality=([\d.]+)/.exec((await jetty.get(task, id)).steps.answer.outputs.text)?.[1])
  for (const { arm, trajectory_id, verdicts } of again.items) {
    if (arm === 'candidate') expect(verdicts.good.base).toBe(Math.round(await base(trajectory_id)))
  }
  expect(hits).toHaveLength(6)

  const allowed = await ended(task, { ...other, judges: undefined, allow: ['notify'] })
  expect(allowed.outcomes).toEqual({ changed: 6 })
  expect(hits).toHaveLength(12)
  const harmless = { ...saying, options: { effects: 'none' } }
  await ended(task, { workflow: gradedWorkflow('badly', { notify: harmless }), output_path: 'answer.outputs.text' })
  expect(hits).toHaveLength(18)
})

test('nothing starts that could cross the bound, with 64 at once; with a higher one the rest goes on', async () => {
  const task = await recorded(gradedWorkflow('well'), 100)
  const whole = provider.bill.usd
  forget()
  const given = { workflow: gradedWorkflow('badly'), runs: { last: 100 }, max_concurrency: 64 }
  const found = await ended(task, { ...given, bound_usd: whole / 3 })
  expect(found).toMatchObject({ state: 'stopped', reason: 'bound' })
  expect(provider.bill.usd).toBeLessThanOrEqual(whole / 3)
  expect(provider.bill.usd).toBeGreaterThan(whole / 5)
  const done = provider.bill.answers
  expect(done).toBe(found.outcomes.changed)
  const resumed = await jetty.call('POST', `/api/v1/experiments/acme/${found.experiment_id}/resume`, {
    bound_usd: 2 * whole,
  })
  expect(resumed.body.state).toBe('running')
  await expect.poll(async () => (await look(found.experiment_id)).state, { timeout: 60_000 }).toBe('completed')
  expect((await look(found.experiment_id)).outcomes).toEqual({ changed: 100 })
  expect(provider.bill.answers).toBe(100)
})

test('bad requests name the field; a cancelled experiment starts no more', async () => {
  const task = await recorded(gradedWorkflow('well'), 3)
  const refusals: [Body, string][] = [
    [{ version: 'nowhere' }, 'nowhere'],
    [{ version: '0', workflow: gradedWorkflow('well') }, 'workflow'],
    [{ workflow: { step_configs: {}, steps: ['gone'] } }, 'candidate cannot be run'],
    [{ runs: { last: 100_000 } }, 'JETTY_MAX_EXPERIMENT_RUNS'],
    [{ runs: { trajectory_ids: ['deadbeef'] } }, 'deadbeef'],
    [{ runs: { status: ['failed'] } }, 'No ended run'],
  ]
  for (const [given, named] of refusals) {
    const { status, body } = await start(task, given)
    expect([status >= 400 && status < 500, JSON.stringify(body)]).toEqual([true, expect.stringContaining(named)])
  }
  const { body } = await start(task, { workflow: gradedWorkflow('badly'), max_concurrency: 1 })
  const cancelled = await jetty.call('POST', `/api/v1/experiments/acme/${body.experiment_id}/cancel`)
  expect(cancelled.body.state).toBe('stopped')
  const { body: list } = await jetty.call('GET', `/api/v1/experiments/acme?task=${task}`)
  expect(list.experiments).toMatchObject([{ experiment_id: body.experiment_id, reason: 'cancelled' }])
  expect((await jetty.call('POST', '/api/v1/experiments/acme/exp-gone/cancel')).status).toBe(404)
})

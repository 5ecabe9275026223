// When a step could have begun, how its attempts went, and what it waits for.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { act, does, forget, open } from './acting.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [act], env: { JETTY_STEP_ATTEMPTS: '80' } })
})
afterAll(() => jetty?.close())
beforeEach(forget)

const echo = (given: Record<string, unknown>) => ({ activity: 'text_echo', ...given })
const alone = (config: Record<string, unknown>) => ({ step_configs: { step: config }, steps: ['step'] })
const get = async (path: string): Promise<Body> => (await jetty.call('GET', `/api/v1/trajectory/acme/${path}`)).body
const views = async ({ task, trajectory_id: id }: Body, step = 'step'): Promise<Body[]> => [
  (await get(`${task}/${id}`)).steps[step],
  (await get(`${task}/${id}?view=summary`)).steps[step],
  await get(`${task}/${id}/steps/${step}`),
]
const inOrder = (...times: string[]) => expect([...times].sort()).toEqual(times)

describe('the attempts of a step', () => {
  const retry = { max_attempts: 3, retry_on: 'all', backoff: 0.05 }

  it('are there when there were several: their times in order, and why each failed', async () => {
    const run = await jetty.run(alone(does({ fails: 2, options: { retry } })))
    expect(run.status).toBe('completed')
    for (const step of await views(run)) {
      expect(step.attempts.map(({ n, error_detail }: Body) => [n, error_detail?.message ?? null])).toEqual([
        [1, 'attempt 1 failed'],
        [2, 'attempt 2 failed'],
        [3, null],
      ])
      inOrder(step.created, ...step.attempts.flatMap(({ started, ended }: Body) => [started, ended]))
      expect(step.attempts.at(-1).ended).toBe(step.ended)
      expect(step.wait).toBeUndefined()
    }
    const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?type=step_retried`)
    expect(body.events.map(({ level, message }: Body) => [level, message])).toEqual([
      ['warning', "Attempt 1 of step 'step' failed: attempt 1 failed"],
      ['warning', "Attempt 2 of step 'step' failed: attempt 2 failed"],
    ])
  })

  it('end with the failure of the step, and are the same after a rerun that carries it', async () => {
    const given = { step: does({ fails: 9, options: { retry, continue_on_error: true } }), last: echo({ text: 'x' }) }
    const run = await jetty.run({ step_configs: given, steps: ['step', 'last'] })
    const { attempts } = run.steps.step
    expect(attempts.map(({ n, error_detail }: Body) => [n, error_detail.message])).toEqual([
      [1, 'attempt 1 failed'],
      [2, 'attempt 2 failed'],
      [3, 'attempt 3 failed'],
    ])
    const path = `/api/v1/trajectory/acme/${run.task}/${run.trajectory_id}/rerun`
    const again = (await jetty.call('POST', path, { from_step: 'last' })).body
    const { steps } = await jetty.until(run.task, again.trajectory_id, ({ ended }) => ended !== null)
    expect(steps.step).toMatchObject({ attempts, ready_at: null, origin: { kind: 'rerun' } })
  })

  it('are left out of a step that was executed once', async () => {
    const run = await jetty.run(alone(does()))
    for (const step of await views(run)) expect(step).not.toHaveProperty('attempts')
  })

  it('of very many are the last fifty', async () => {
    const options = { retry: { max_attempts: 70, retry_on: 'all', backoff: { initial_sec: 0, factor: 1 } } }
    const { attempts } = (await jetty.run(alone(does({ fails: 60, options })))).steps.step
    expect(attempts.map(({ n }: Body) => n)).toEqual(Array.from({ length: 51 }, (_, at) => at + 11))
  })
})

describe('what a step waits for', () => {
  const waiting = async (
    config: Record<string, unknown>,
    init_params: Record<string, unknown> = {},
  ): Promise<{ run: Body; task: string }> => {
    const task = await jetty.task({ ...alone(config), init_params })
    const { trajectory_id: id } = await jetty.start(task)
    const isListed = (run: Body) => run.steps.step.wait.for !== 'approval' || run.waiting !== null // a moment later
    const run = await jetty.until(task, id, (seen) => seen.steps.step?.wait !== undefined && isListed(seen))
    for (const step of await views(run)) expect(step.wait).toEqual(run.steps.step.wait)
    return { run, task }
  }
  const cancel = async ({ task, run }: { run: Body; task: string }): Promise<Body> => {
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [run.trajectory_id]: 'cancelled' })
    return jetty.until(task, run.trajectory_id, ({ ended }) => ended !== null)
  }

  it('is the next attempt', async () => {
    const retry = { max_attempts: 3, retry_on: 'all', backoff: 30 }
    const found = await waiting(does({ fails: 9, options: { retry } }))
    const { step } = found.run.steps
    expect(step).toMatchObject({ attempt: 2, wait: { for: 'retry', until: expect.any(String) } })
    expect(step.attempts.map(({ n }: Body) => n)).toEqual([1])
    const seconds = (Date.parse(step.wait.until) - Date.parse(step.attempts[0].ended)) / 1000
    expect(seconds).toBeGreaterThan(20)
    const ended = await cancel(found)
    expect(ended.steps.step).not.toHaveProperty('wait')
    expect(ended.steps.step).toMatchObject({ status: 'cancelled', attempt: 1 })
  })

  it('is a time', async () => {
    const found = await waiting({ activity: 'sleep', seconds: 100 })
    const { wait, created } = found.run.steps.step
    expect(wait.for).toBe('time')
    expect(Date.parse(wait.until) - Date.parse(created)).toBeGreaterThan(99_000)
    await cancel(found)
  })

  it('is a person, for ever or for a while', async () => {
    const forEver = await waiting({ activity: 'wait_for_approval', message: 'On?' })
    expect(forEver.run.steps.step.wait).toEqual({ for: 'approval', until: null })
    await cancel(forEver)
    const forAWhile = await waiting({ activity: 'wait_for_approval', message: 'On?', expires_in_sec: 500 })
    expect(forAWhile.run.steps.step.wait).toEqual({
      for: 'approval',
      until: forAWhile.run.waiting[0].expires_at,
    })
    await cancel(forAWhile)
  })

  it('is the runs that it has started', async () => {
    const child = await jetty.task(alone(does({ gate: 'children' })))
    const found = await waiting(
      { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: child },
      { items: [1, 2] },
    )
    expect(found.run.steps.step.wait).toEqual({ for: 'runs', until: null })
    open.add('children')
    await jetty.until(found.task, found.run.trajectory_id, ({ ended }) => ended !== null)
  })
})

describe('when a step could have begun', () => {
  it('in order: when the run was accepted, then when the step before it ended', async () => {
    const step_configs = { one: echo({ text: 'a' }), two: does({ milliseconds: 150 }), three: echo({ text: 'c' }) }
    const run = await jetty.run({ step_configs, steps: ['one', 'two', 'three'] })
    const { one, two, three } = run.steps
    expect([one.ready_at, two.ready_at, three.ready_at]).toEqual([run.created, one.ended, two.ended])
    for (const name of ['one', 'two', 'three']) {
      const shown = await views(run, name)
      expect(shown.map(({ ready_at }) => ready_at)).toEqual(Array.from({ length: 3 }, () => run.steps[name].ready_at))
      inOrder(run.steps[name].ready_at, run.steps[name].created)
    }
  })

  it('side by side: when the last of the steps that it needs had ended', async () => {
    const run = await jetty.run({
      execution: 'parallel',
      step_configs: {
        fast: does({ milliseconds: 10 }),
        slow: does({ milliseconds: 200 }),
        both: does({ give_path: ['fast.outputs.value', 'slow.outputs.value'] }),
        quick: does({ give_path: 'fast.outputs.value' }),
      },
      steps: ['fast', 'slow', 'both', 'quick'],
    } as never)
    const { fast, slow, both, quick } = run.steps
    expect([both.ready_at, quick.ready_at]).toEqual([slow.ended, fast.ended])
    expect(fast.ready_at).toBe(run.created)
    expect((await views(run, 'both')).map(({ ready_at }) => ready_at)).toEqual([slow.ended, slow.ended, slow.ended])
  })

  it('never for a step that was skipped', async () => {
    const run = await jetty.run({
      step_configs: {
        ask: { activity: 'conditional_branch', condition: false, true_step: 'yes', false_step: null },
        yes: echo({ text: 'yes' }),
      },
      steps: ['ask', 'yes'],
    })
    expect(run.steps.yes).toMatchObject({ status: 'skipped', ready_at: null })
  })
})

describe('what the model calls of a run used', () => {
  const chat = (prompt: string) => ({ activity: 'litellm_chat', model: 'scripted/echo', prompt })

  it('stands at each step that made some, and as a sum at the run', async () => {
    const step_configs = { one: chat('Say hello'), quiet: echo({ text: 'x' }), two: chat('Say it again, please') }
    const run = await jetty.run({ step_configs, steps: ['one', 'quiet', 'two'] })
    const { one, quiet, two } = run.steps
    for (const step of [one, two]) expect(step.usage).toMatchObject({ prompt_tokens: step.outputs.usage.prompt_tokens })
    expect(quiet).not.toHaveProperty('usage')
    expect(run.usage.total_tokens).toBe(one.usage.total_tokens + two.usage.total_tokens)
    expect(run.usage.prompt_tokens + run.usage.completion_tokens).toBe(run.usage.total_tokens)
    for (const shown of await views(run, 'one'))
      expect([shown.usage, shown.cost_usd]).toEqual([one.usage, one.cost_usd])
    const summary = await get(`${run.task}/${run.trajectory_id}?view=summary`)
    expect([summary.usage, summary.cost_usd]).toEqual([run.usage, run.cost_usd])

    const path = `/api/v1/trajectory/acme/${run.task}/${run.trajectory_id}/rerun`
    const again = (await jetty.call('POST', path, { from_step: 'two' })).body
    const repeated = await jetty.until(run.task, again.trajectory_id, ({ ended }) => ended !== null)
    expect(repeated.usage).toEqual(two.usage)
    expect(repeated.steps.one).not.toHaveProperty('usage')
  })

  it('is known of a call of the gateway', async () => {
    const messages = [{ role: 'user', content: 'hello' }]
    const body = { model: 'scripted/echo', messages, jetty: { collection: 'acme', runbook: false } }
    const { headers, body: answer } = await jetty.call('POST', '/v1/chat/completions', body)
    const id = headers.get('x-jetty-trajectory-id') ?? ''
    expect(id).not.toBe('')
    const found = async () =>
      (await jetty.call('GET', '/api/v1/runs/acme')).body.runs.find((one: Body) => one.trajectory_id === id)
    await expect.poll(found).toBeDefined()
    const run = await get(`${(await found()).task}/${id}`)
    expect(run.usage.total_tokens).toBe(answer.usage.total_tokens)
  })

  it('is said with the version of the task', async () => {
    const task = await jetty.task(alone(echo({ text: 'first' })))
    const first = await jetty.start(task)
    const workflow = alone(echo({ text: 'second' }))
    expect((await jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow })).status).toBe(200)
    const second = await jetty.start(task)
    const numbers = await Promise.all([first, second].map(async (one) => get(`${task}/${one.trajectory_id}`)))
    expect(numbers.map(({ version_number }) => version_number)).toEqual([0, 1])
    expect(numbers[0].task_version).not.toBe(numbers[1].task_version)
  })
})

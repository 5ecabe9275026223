// Every field of a run that the server sends is declared in the OpenAPI document, whatever became of the run.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunEvent, runEventSchemas, summaryEventSchemas } from '../../../src/model/runs/run-events.ts'
import { publishedAnswer, publishedSchema, undeclared } from '../../declared.ts'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startReceiver, type WebhookReceiver } from '../../webhook-receiver.ts'
import { act, branch, does, loop } from './acting.ts'
import { failing, makeRunner, textFile } from './carrying.ts'

const { runner } = makeRunner({
  async works(_, host) {
    host.tell({ type: 'usage', model: 'm', prompt_tokens: 60, completion_tokens: 40, cost_usd: 0.25 })
    host.tell({ type: 'warning', message: 'as an agent warns' })
    const files = [await host.keep(textFile('one.txt', 'one'), 'one.txt')]
    return { results_files: files, files }
  },
  async fails() {
    return failing('verify_failed', 'it did not pass')
  },
})

let jetty: TestServer
let receiver: WebhookReceiver
let document: Body
beforeAll(async () => {
  receiver = await startReceiver()
  jetty = await startTestServer({
    activities: [act],
    runbooks: runner,
    env: {
      JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1',
      OPENAI_API_KEY: 'sk-lent-unmistakable-declared-41d0',
      JETTY_TRIAL_KEYS: 'OPENAI_API_KEY',
    },
  })
  document = (await jetty.call('GET', '/openapi.json')).body
})
afterAll(async () => {
  await jetty?.close()
  receiver?.close()
})

const answered = (operation: string, status: number, body: Body): Body => {
  const published = publishedAnswer(document, operation, status)
  if (!published) throw new Error(`${operation} declares no JSON answer ${status}`)
  expect(undeclared(published, body), operation).toEqual([])
  return body
}
const call = async (operation: string, method: string, path: string, body?: Body): Promise<Body> => {
  const answer = await jetty.call(method, `/api/v1${path}`, body)
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answered(operation, answer.status, answer.body)
}
const ended = ({ ended: at }: Body): boolean => at !== null

/** Reads the events of a run: of an open one only the first, of another all. Gives their names. `onOpen` is called with the first. */
const watch = async (
  task: string,
  id: string,
  options: { lastEventId?: string; first?: boolean; view?: 'full' | 'summary'; onOpen?: () => void },
): Promise<string[]> => {
  const { first, view = 'full', onOpen, ...from } = options
  const url = `${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events?view=${view}`
  let isOpen = false
  const enough = (events: unknown[]) => {
    if (events.length > 0 && !isOpen) onOpen?.()
    isOpen ||= events.length > 0
    return first === true && isOpen
  }
  const { events } = await readEvents(url, jetty.server.adminToken, { ...from, enough })
  for (const { event, data } of events) {
    const schema = (view === 'full' ? runEventSchemas : summaryEventSchemas)[event as RunEvent['event']]
    expect(schema, `the event ${event} is not declared`).toBeDefined()
    expect(undeclared(publishedSchema(schema), data), event).toEqual([])
  }
  return events.map(({ event }) => event)
}

/** Reads one run by every call that shows it. */
const look = async (task: string, id: string): Promise<Body> => {
  const run = await call('getTrajectory', 'GET', `/db/trajectory/acme/${task}/${id}`)
  await call('getTrajectory', 'GET', `/db/trajectory/acme/${task}/${id}?view=summary`)
  for (const step of Object.keys(run.steps))
    await call('getStep', 'GET', `/trajectory/acme/${task}/${id}/steps/${step}`)
  await call('listTrajectories', 'GET', `/db/trajectories/acme/${task}`)
  await call('listTrajectories', 'GET', `/db/trajectories/acme/${task}?view=summary`)
  await call('getWorkflowLogs', 'GET', `/workflows-logs/${run.workflow_id}`)
  await call('listCollectionRuns', 'GET', '/runs/acme?limit=100')
  for (const view of ['full', 'summary'] as const) {
    expect((await watch(task, id, { view, first: !ended(run) }))[0]).toBe('snapshot')
    expect(await watch(task, id, { view, first: !ended(run), lastEventId: '0' })).not.toEqual([])
  }
  return run
}
/** Runs a workflow to its end. */
const run = async (workflow: Body, form: Body = {}): Promise<Body> => {
  const sync = answered('runTaskSync', 200, await jetty.run(workflow, form))
  return look(sync.task, sync.trajectory_id)
}
const start = async (workflow: Body): Promise<Body> => {
  const started = await call('runTask', 'POST', `/run/acme/${await jetty.task(workflow)}`, {})
  return started.trajectory
}
const again = async ({ task, trajectory_id: id }: Body, body: Body): Promise<Body> => {
  const started = await call('rerunTrajectory', 'POST', `/trajectory/acme/${task}/${id}/rerun`, body)
  await jetty.until(task, started.trajectory_id, ended)
  return look(task, started.trajectory_id)
}
const one = (config: Body, more: Body = {}) => ({ step_configs: { step: config }, steps: ['step'], ...more })
const echo = (given: Body) => ({ activity: 'text_echo', ...given })

describe('every declared field and no other, of a run', () => {
  test('that completed, with a label, a warning and a file', async () => {
    const workflow = {
      step_configs: {
        say: echo({ text: 'hi', tezt: 'an unknown parameter' }),
        keep: { activity: 'save_text_file', content_path: 'say.outputs.text', filename: 'a.txt' },
      },
      steps: ['say', 'keep'],
    }
    const { task, trajectory_id: id, steps } = await run(workflow)
    expect(steps.say.logs).toHaveLength(1)
    const label = { key: 'quality', value: 'high', author: 'me' }
    await call('addLabel', 'POST', `/trajectory/acme/${task}/${id}/labels`, label)
    expect((await look(task, id)).labels).toHaveLength(1)
  })

  test('whose step failed after its retries, and whose webhook was told', async () => {
    const retry = { max_attempts: 2, retry_on: 'all', backoff: 0 }
    const failed = await run(one(does({ fails: 5, options: { retry } })), { webhook_url: receiver.url })
    expect(failed.steps.step).toMatchObject({ status: 'failed', attempt: 2, error_detail: { retryable: false } })
    await expect.poll(() => receiver.received.length).toBe(1)
    answered('getTrajectory', 200, JSON.parse(String(receiver.received[0]?.body)))
    const at = `${failed.task}/${failed.trajectory_id}`
    await call('listDeliveries', 'GET', `/trajectory/acme/${at}/deliveries`)
  })

  test('with branches, loops and steps side by side', async () => {
    await run({
      init_params: { go: true },
      step_configs: { if: branch('yes', 'no'), yes: does(), no: does(), repeat: loop(['turn'], 2), turn: does() },
      steps: ['if', 'yes', 'no', 'repeat', 'turn'],
    })
    const beside = { a: does(), b: does({ fails: 9, options: { continue_on_error: true } }) }
    await run({ execution: 'parallel', step_configs: beside, steps: ['a', 'b'] })
  })

  test('that starts others, while they run and afterwards', async () => {
    const child = await jetty.task(one({ activity: 'wait_for_approval', message: 'Go on?' }))
    const fan = { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: child }
    const { task, trajectory_id: id } = await start(one(fan, { init_params: { items: [1, 2] } }))
    await jetty.until(task, id, ({ steps }) => steps.step?.progress?.begun === 2)
    await look(task, id)
    const approve = async () => {
      for (const { trajectory_id } of (await call('listCollectionRuns', 'GET', `/runs/acme?parent_id=${id}`)).runs)
        await call('decideApproval', 'POST', `/trajectory/acme/${child}/${trajectory_id}/steps/step/approval`, {
          decision: 'approve',
        })
    }
    expect(await watch(task, id, { onOpen: () => void approve() })).toContain('progress')
    const parent = await look(task, id)
    expect(parent.status, parent.error).toBe('completed')
    const [first] = parent.steps.step.outputs.trajectory_references
    expect((await look(child, first.trajectory_id)).attributes.params.parent).toBeDefined()
  })

  test.each(['works', 'fails'])('with a runbook whose agent %s', async (instruction) => {
    const { steps } = await run(one({ activity: 'runbook', agent: 'scripted', instruction }))
    expect(steps.step.status).toBe(instruction === 'works' ? 'completed' : 'failed')
  })

  test('that waits for a person, and once it is decided', async () => {
    const { task, trajectory_id: id } = await start(one({ activity: 'wait_for_approval', message: 'May it?' }))
    await jetty.until(task, id, ({ waiting }) => waiting !== null)
    expect((await look(task, id)).waiting).toHaveLength(1)
    await call('listApprovals', 'GET', '/approvals/acme')
    const place = `/trajectory/acme/${task}/${id}/steps/step/approval`
    await call('decideApproval', 'POST', place, { decision: 'approve' })
    await jetty.until(task, id, ended)
    await look(task, id)
  })

  test('that was cancelled', async () => {
    const { task, trajectory_id: id } = await start(one(does({ milliseconds: 60_000 })))
    await jetty.until(task, id, ({ steps }) => steps.step?.status === 'running')
    await call('setTrajectoryStatuses', 'POST', `/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    await jetty.until(task, id, ended)
    expect((await look(task, id)).status).toBe('cancelled')
  })

  test('that is a rerun from a later step, or a replay that differs', async () => {
    const two = { a: echo({ text_path: 'init_params.text' }), b: echo({ text_path: 'a.outputs.text' }) }
    const recorded = await run({ init_params: { text: 'hi' }, step_configs: two, steps: ['a', 'b'] })
    const rerun = await again(recorded, { from_step: 'b' })
    expect(rerun.steps.a.origin.kind).toBe('rerun')
    const replay = await again(recorded, { mode: 'replay', init_params: { text: 'ho' } })
    expect(replay.attributes.params.replay.divergence).toMatchObject({ step: 'a' })
    const difference = `/trajectory/acme/${recorded.task}/${recorded.trajectory_id}/diff?with=${rerun.trajectory_id}`
    await call('diffTrajectories', 'GET', difference)
  })

  test('that replays what was asked of a model, and cannot go on', async () => {
    const init_params = { text: 'hi' }
    const step_configs = { a: { activity: 'litellm_chat', model: 'scripted/echo', prompt_path: 'init_params.text' } }
    const recorded = await run({ init_params, step_configs, steps: ['a'] })
    const replay = await again(recorded, { mode: 'replay', init_params: { text: 'ho' } })
    expect(replay.steps.a.error_detail).toMatchObject({ code: 'replay_diverged', divergence: { step: 'a' } })
  })

  test('that has its result from the cache', async () => {
    const cached = one(echo({ text: 'cached', options: { cache: true } }))
    await run(cached)
    expect((await run(cached)).steps.step.origin.kind).toBe('cache')
  })

  test('that was sent in', async () => {
    const body = { input: 'q', output: 'a', scores: { exact: 1 }, cost_usd: 0.1, metadata: { by: 'us' }, source: 'x' }
    const { trajectory_id: id } = await call('ingestTrajectory', 'POST', '/trajectories/acme/sent/ingest', body)
    await look('sent', id)
  })

  test('that was refused before its first step', async () => {
    const ask = { activity: 'litellm_chat', model: 'groq/llama-3.3-70b-versatile', prompt: 'Hi' }
    const { task, trajectory_id: id } = await start(one(ask))
    await jetty.until(task, id, ended)
    expect((await look(task, id)).error_detail).toMatchObject({ retryable: false })
  })

  test('on lent keys', async () => {
    await call('activateTrial', 'POST', '/trial/acme/activate')
    const task = await jetty.task(one(does()))
    const started = await call('runTask', 'POST', `/run/acme/${task}`, { use_trial_keys: true })
    expect(started.trial).toMatchObject({ runs_used: expect.any(Number) })
    await jetty.until(task, started.trajectory_id, ended)
    await look(task, started.trajectory_id)
  })

  test('of a batch, and of a routine', async () => {
    const task = await jetty.task(one(echo({ text: 'hi' })))
    const batch = await call('runBatch', 'POST', `/run-batch/acme/${task}`, { items: [{}, {}] })
    const done = async () => (await call('getBatch', 'GET', `/batches/acme/${batch.batch_id}`)).status
    await expect.poll(done, { timeout: 20_000 }).toBe('completed')
    await call('getBatchResults', 'GET', `/batches/acme/${batch.batch_id}/results`)
    const routine = { name: 'daily', cadence: { type: 'manual' } }
    await call('createRoutine', 'POST', `/routines/acme/${task}`, routine)
    const ran = await call('runRoutineNow', 'POST', `/routines/acme/${task}/daily/run-now`)
    await jetty.until(task, ran.trajectory_id, ended)
    await call('listRoutineRuns', 'GET', `/routines/acme/${task}/daily/runs`)
    await look(task, ran.trajectory_id)
  })
})

test('a field that is not declared is found, wherever it stands', () => {
  const published = publishedAnswer(document, 'runTaskSync', 200)
  const step = { activity: 'text_echo', surplus: 1 }
  const found = undeclared(published ?? { schema: {}, components: {} }, { name: 1, steps: { a: step }, other: true })
  expect(found).toEqual(
    expect.arrayContaining(['.steps.a.surplus', '.other', '.url is missing', '.steps.a.key is missing']),
  )
})

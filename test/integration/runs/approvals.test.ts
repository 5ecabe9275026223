import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let beside: TestServer

beforeAll(async () => {
  jetty = await startTestServer()
  beside = await startTestServer({ beside: jetty, env: { JETTY_ROLE: 'api' } })
})
afterAll(async () => {
  await beside?.close()
  await jetty?.close()
})

const gate = (more: Record<string, unknown> = {}) => ({
  init_params: { letter: 'Dear all' },
  step_configs: {
    gate: { activity: 'wait_for_approval', message: 'May it go? {{init_params.letter}}', ...more },
    send: { activity: 'text_echo', text_path: 'gate.outputs.comment' },
  },
  steps: ['gate', 'send'],
})

const waits = async (task: string, id: string): Promise<void> => {
  for (let tries = 0; tries < 1_500; tries++) {
    const rows = await jetty.server.database.query<{ parked: boolean }>(
      'select lease is null as parked from runs where trajectory_id = $1 and ended_at is null',
      [id],
    )
    if (rows[0]?.parked) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`never parked: ${JSON.stringify(await jetty.get(task, id))}`)
}

const startWaiting = async (workflow: Workflow = gate()): Promise<{ task: string; id: string }> => {
  const task = await jetty.task(workflow)
  const { trajectory_id: id } = await jetty.start(task)
  await waits(task, id)
  return { task, id }
}

const decide = (at: { task: string; id: string }, body: unknown, step = 'gate', server = jetty, token?: string) =>
  server.call('POST', `/api/v1/trajectory/acme/${at.task}/${at.id}/steps/${step}/approval`, body, token)

const ended = (at: { task: string; id: string }): Promise<Body> =>
  jetty.until(at.task, at.id, (trajectory) => trajectory.ended !== null)

describe('a step that waits for a decision', () => {
  it('goes on when it is approved, with what was said', async () => {
    const at = await startWaiting()
    const before = await jetty.get(at.task, at.id)
    expect(before.status).toBe('running')
    expect(before.steps.gate).toMatchObject({ status: 'running', inputs: { message: 'May it go? Dear all' } })
    expect(before.steps.gate.logs).toMatchObject([{ type: 'approval_requested', level: 'info' }])
    const answer = await decide(at, { decision: 'approve', comment: 'Fine with me' })
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      trajectory_id: at.id,
      task: at.task,
      step: 'gate',
      decision: 'approve',
      comment: 'Fine with me',
      decided_by: 'admin',
      decided_at: expect.any(String),
    })
    const after = await ended(at)
    expect(after.status).toBe('completed')
    expect(after.steps.gate.attempt).toBe(1)
    expect(after.steps.gate.outputs).toEqual({
      decision: 'approve',
      comment: 'Fine with me',
      decided_by: 'admin',
      decided_at: answer.body.decided_at,
      expired: false,
    })
    expect(after.steps.gate.logs.map((event: Body) => event.type)).toEqual(['approval_requested', 'approval_decided'])
    expect(after.steps.send.outputs.text).toBe('Fine with me')
  })

  it('fails its run when it is rejected, and says who did', async () => {
    const at = await startWaiting()
    expect((await decide(at, { decision: 'reject', comment: 'Too long' })).status).toBe(200)
    const after = await ended(at)
    expect(after).toMatchObject({ status: 'failed', error: "Step 'gate' failed: Rejected by admin: Too long" })
    expect(Object.keys(after.steps)).toEqual(['gate'])
  })

  it('completes when it is rejected and the workflow says that it goes on', async () => {
    const at = await startWaiting(gate({ fail_on_reject: false }))
    await decide(at, { decision: 'reject', comment: 'Too long' })
    const after = await ended(at)
    expect(after.status).toBe('completed')
    expect(after.steps.gate.outputs).toMatchObject({ decision: 'reject', comment: 'Too long' })
  })

  it.each([
    ['approve', 'completed', { decision: 'approve', decided_by: null, expired: true }],
    ['reject', 'failed', {}],
    ['fail', 'failed', {}],
    [undefined, 'failed', {}],
  ])('expires with %s', async (default_decision, status, outputs) => {
    const task = await jetty.task(gate({ expires_in_sec: 0.3, ...(default_decision && { default_decision }) }))
    const { trajectory_id: id } = await jetty.start(task)
    const after = await ended({ task, id })
    expect(after.steps.gate).toMatchObject({ status, outputs })
    if (status === 'failed') expect(after.error).toMatch(/decided in time|expired without a decision/i)
    const late = await decide({ task, id }, { decision: 'approve' })
    expect(late.status).toBe(409)
    expect(late.body.approval).toMatchObject({ decision: default_decision ?? 'fail', decided_by: null })
  })

  it('expires at a moment, and when that has passed already at once', async () => {
    const task = await jetty.task(gate({ expires_at: '2020-01-01T00:00:00Z', default_decision: 'approve' }))
    const { trajectory_id: id } = await jetty.start(task)
    expect((await ended({ task, id })).steps.gate.outputs).toMatchObject({ decision: 'approve', expired: true })
  })

  it('is cancelled while it waits, and takes no decision then', async () => {
    const at = await startWaiting()
    await jetty.call('POST', `/api/v1/trajectory/acme/${at.task}/statuses`, { [at.id]: 'cancelled' })
    const after = await ended(at)
    expect(after).toMatchObject({ status: 'cancelled', steps: { gate: { status: 'cancelled' } } })
    const answer = await decide(at, { decision: 'approve' })
    expect(answer.status).toBe(409)
    expect(answer.body.detail).toBe("Step 'gate' does not wait for an approval: the run has ended: cancelled")
  })

  it('is asked about as the message and metadata say, without the secrets of the environment', async () => {
    const secret = 'sk-approval-unmistakable-51c7'
    jetty.leaks.remember('a secret in a message', secret)
    const environment_variables = { GATE_TOKEN: secret }
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
    const at = await startWaiting(
      gate({ message_path: 'env.GATE_TOKEN', metadata: { token_path: 'env.GATE_TOKEN' }, assignees: ['ann'] }),
    )
    const { body } = await jetty.call('GET', '/api/v1/approvals/acme')
    const mine = body.approvals.find((one: Body) => one.trajectory_id === at.id)
    expect(mine).toMatchObject({ message: '***', metadata: { token: '***' }, assignees: ['ann'] })
    await decide(at, { decision: 'approve', comment: 'yes' })
    await ended(at)
  })
})

describe('beside other steps', () => {
  const beside = {
    execution: 'parallel',
    step_configs: {
      gate: { activity: 'wait_for_approval', message: 'May it go?' },
      other: { activity: 'wait_for_approval', message: 'And the other?' },
      nap: { activity: 'sleep', seconds: 1.2 },
      after: { activity: 'text_echo', text_path: 'gate.outputs.comment' },
    },
    steps: ['gate', 'other', 'nap', 'after'],
  }
  const asked = async (task: string, id: string) =>
    jetty.until(task, id, ({ steps }) => steps.gate?.status === 'running' && steps.other?.status === 'running')

  it('each is decided by itself, and what hangs on it goes on at once', async () => {
    const task = await jetty.task(beside)
    const { trajectory_id: id } = await jetty.start(task)
    await asked(task, id)
    await decide({ task, id }, { decision: 'approve', comment: 'first' })
    const between = await jetty.until(task, id, ({ steps }) => steps.after?.status === 'completed')
    expect(between.steps.other.status).toBe('running')
    await decide({ task, id }, { decision: 'approve', comment: 'second' }, 'other')
    const after = await ended({ task, id })
    expect(after.status).toBe('completed')
    expect(after.steps.other.outputs.comment).toBe('second')
  })

  it('a step that waits alone at last leaves memory, and is decided there', async () => {
    const task = await jetty.task(beside)
    const { trajectory_id: id } = await jetty.start(task)
    await asked(task, id)
    await decide({ task, id }, { decision: 'approve', comment: 'first' })
    await waits(task, id)
    await decide({ task, id }, { decision: 'approve', comment: 'second' }, 'other')
    expect(await ended({ task, id })).toMatchObject({ status: 'completed', steps: { nap: { status: 'completed' } } })
  })

  it('a rejection takes back what others wait for', async () => {
    const task = await jetty.task(beside)
    const { trajectory_id: id } = await jetty.start(task)
    await asked(task, id)
    await decide({ task, id }, { decision: 'reject', comment: 'no' })
    const after = await ended({ task, id })
    expect(after).toMatchObject({
      status: 'failed',
      error: "Step 'gate' failed: Rejected by admin: no",
      steps: { gate: { status: 'failed' }, other: { status: 'cancelled' } },
    })
    expect((await jetty.call('GET', '/api/v1/approvals/acme')).body.approvals).not.toContainEqual(
      expect.objectContaining({ trajectory_id: id }),
    )
    expect(await decide({ task, id }, { decision: 'approve' }, 'other')).toMatchObject({ status: 409 })
  })

  it('turns of a loop are asked one after the other, by the name of the step', async () => {
    const task = await jetty.task({
      step_configs: {
        again: { activity: 'loop_counter', max_turns: 3, steps: ['gate'] },
        gate: { activity: 'wait_for_approval', message: 'Once more?' },
      },
      steps: ['gate', 'again'],
    })
    const { trajectory_id: id } = await jetty.start(task)
    for (const comment of ['one', 'two', 'three']) {
      await waits(task, id)
      expect((await decide({ task, id }, { decision: 'approve', comment })).status).toBe(200)
      await jetty.until(task, id, ({ steps }) =>
        Object.values<Body>(steps).some((step) => step.outputs.comment === comment),
      )
    }
    const after = await ended({ task, id })
    expect(after.status).toBe('completed')
  })
})

it('the events of a run tell of the wait and of the decision, each once', async () => {
  const task = await jetty.task(gate())
  const { trajectory_id: id } = await jetty.start(task)
  const watching = readEvents(`${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events`, jetty.server.adminToken)
  await waits(task, id)
  const late = readEvents(`${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events`, jetty.server.adminToken)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await decide({ task, id }, { decision: 'approve', comment: 'go' })
  const messages = (events: { event: string; data: Body }[]) => {
    const told = events[0]?.data.steps.gate?.logs ?? []
    const later = events.filter(({ event }) => event === 'log').map(({ data }) => data)
    return [...told, ...later].map(({ message }) => message)
  }
  const requested = "Step 'gate' waits for a decision: May it go? Dear all"
  const decided = "admin decided about step 'gate': approve (go)"
  for (const { events } of await Promise.all([watching, late])) expect(messages(events)).toEqual([requested, decided])
})

describe('a decision', () => {
  it('is made once, out of fifty at the same time over two processes', async () => {
    const at = await startWaiting()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => {
        const decision = index % 3 === 0 ? 'reject' : 'approve'
        return decide(at, { decision, comment: `number ${index}` }, 'gate', index % 2 ? jetty : beside)
      }),
    )
    const [won, ...more] = answers.filter((answer) => answer.status === 200)
    expect(more).toEqual([])
    const lost = answers.filter((answer) => answer.status === 409)
    expect(lost).toHaveLength(49)
    for (const { body } of lost) expect(body.approval).toEqual(won?.body)
    const after = await ended(at)
    const { decision, comment } = won?.body ?? {}
    if (decision === 'approve') expect(after.steps.gate.outputs.comment).toBe(comment)
    else expect(after.error).toContain(comment)
  })

  it('that is made by a process that executes nothing wakes the run at once', async () => {
    const took: number[] = []
    for (let round = 0; round < 4; round++) {
      const at = await startWaiting()
      const begun = Date.now()
      await decide(at, { decision: 'approve', comment: 'go' }, 'gate', beside)
      await ended(at)
      took.push(Date.now() - begun)
    }
    // Where nobody is told, each but the first begins right after a look, and waits a second for the next one.
    expect(Math.min(...took.slice(1))).toBeLessThan(700)
  })

  it('that comes as early as it can is not missed by a run that is just going to sleep', async () => {
    const task = await jetty.task(gate())
    const runs = await Promise.all(Array.from({ length: 60 }, () => jetty.start(task)))
    const early = async (id: string, server: TestServer): Promise<void> => {
      for (;;) {
        const { status } = await decide({ task, id }, { decision: 'approve', comment: 'early' }, 'gate', server)
        if (status === 200) return
      }
    }
    await Promise.all(runs.map(({ trajectory_id: id }, at) => early(id, at % 2 ? jetty : beside)))
    for (const { trajectory_id: id } of runs) expect((await ended({ task, id })).status).toBe('completed')
  })

  it('is refused for steps that wait for none, and there is none for steps that are not', async () => {
    const task = await jetty.task({ step_configs: { say: { activity: 'text_echo', text: 'hi' } }, steps: ['say'] })
    const { trajectory_id: id } = await jetty.start(task)
    await ended({ task, id })
    expect(await decide({ task, id }, { decision: 'approve' }, 'say')).toMatchObject({ status: 409 })
    const unknown = await decide({ task, id }, { decision: 'approve' }, 'other')
    expect(unknown).toMatchObject({ status: 404, body: { detail: `Run '${id}' has no step 'other'; its steps: say` } })
    const nowhere = await decide({ task, id: 'ffffffff' }, { decision: 'approve' })
    expect(nowhere).toMatchObject({ status: 404, body: { detail: "Trajectory 'ffffffff' not found" } })
    expect(await decide({ task, id }, { decision: 'perhaps' }, 'say')).toMatchObject({ status: 422 })
  })

  it('names the key that made it, is on the audit trail, and needs a key that may write', async () => {
    const makeKey = async (more: object) =>
      (await jetty.call('POST', '/api/v1/api-keys', { collection_name: 'acme', ...more })).body.api_key
    const [writer, reader] = [await makeKey({ name: 'boss' }), await makeKey({ name: 'looker', access_level: 'READ' })]
    const at = await startWaiting()
    expect((await decide(at, { decision: 'approve' }, 'gate', jetty, reader)).status).toBe(403)
    const answer = await decide(at, { decision: 'approve', comment: 'ok' }, 'gate', jetty, writer)
    expect(answer.body.decided_by).toBe('api-key:boss')
    const { body } = await jetty.call('GET', '/api/v1/collections/acme/audit?limit=1')
    expect(body.entries).toMatchObject([
      { operation: 'decideApproval', target: `acme/${at.task}/${at.id}/gate`, changes: { decision: 'approve' } },
    ])
    await ended(at)
  })
})

it('a step whose name looks like a turn of another one is decided by its own name alone', async () => {
  const ask = { activity: 'wait_for_approval', message: 'May\u0000it?' }
  const at = await startWaiting({ step_configs: { gate: ask, gate__2: ask }, steps: ['gate', 'gate__2'] })
  expect((await jetty.call('GET', '/api/v1/approvals/acme')).body.approvals.at(-1).message).toBe('May\\0it?')
  expect(await decide(at, { decision: 'approve', comment: 'one' })).toMatchObject({ status: 200 })
  await jetty.until(at.task, at.id, ({ steps }) => steps.gate__2?.status === 'running')
  const again = await decide(at, { decision: 'approve' })
  expect(again).toMatchObject({ status: 409, body: { approval: { step: 'gate', comment: 'one' } } })
  expect(await decide(at, { decision: 'approve' }, 'gate__2')).toMatchObject({ status: 200 })
  expect((await ended(at)).status).toBe('completed')
})

describe('the list of what waits', () => {
  it('is oldest first, goes on by cursor, and forgets what was decided or cancelled', async () => {
    const list = async (query = '') => (await jetty.call('GET', `/api/v1/approvals/acme${query}`)).body
    const ids = async () => (await list()).approvals.map((one: Body) => one.trajectory_id)
    const before = await ids()
    const [first, second, third] = [await startWaiting(), await startWaiting(), await startWaiting()]
    expect((await ids()).slice(before.length)).toEqual([first.id, second.id, third.id])
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Body = await list(`?limit=1${cursor && `&cursor=${cursor}`}`)
      seen.push(...page.approvals.map((one: Body) => one.trajectory_id))
      cursor = page.next_cursor
    }
    expect(seen).toEqual(await ids())
    await decide(first, { decision: 'approve', comment: 'x' })
    await jetty.call('POST', `/api/v1/trajectory/acme/${second.task}/statuses`, { [second.id]: 'cancelled' })
    expect((await ids()).slice(before.length)).toEqual([third.id])
    const left = await jetty.server.database.query(
      'select from approvals where decision is null and run_id in (select id from runs where ended_at is not null)',
    )
    expect(left).toEqual([])
    await decide(third, { decision: 'approve', comment: 'x' })
  })
})

it('keeps no secret that stands in a comment', async () => {
  const task = await jetty.task(gate())
  const [TOKEN, KEY] = ['sk-comment-unmistakable-of-run', 'sk-comment-unmistakable-of-collection']
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { KEY } })
  const { trajectory_id: id } = await jetty.start(task, { secret_params: { TOKEN } })
  await waits(task, id)
  const answer = await decide({ task, id }, { decision: 'approve', comment: `with ${TOKEN} and ${KEY}` })
  expect(answer.body.comment).toBe('with *** and ***')
  expect((await ended({ task, id })).steps.send.outputs.text).toBe('with *** and ***')
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { KEY: null } })
})

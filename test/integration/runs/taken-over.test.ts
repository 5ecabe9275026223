// Runs with loops, branches and steps side by side, as somebody finds them whose predecessor died in the middle.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const effects: string[] = []
const act = activity({
  name: 'act',
  category: 'control',
  description: 'For these tests.',
  parameters: z.object({ give: z.unknown().optional() }),
  outputs: z.object({ value: z.unknown() }),
  example: {},
  async run({ give }, { run, step }) {
    effects.push(`${run.task} ${step.name} ${step.attempt}`)
    return { value: give ?? step.turn }
  },
})

interface Recorded {
  seq: number
  name: string
  /** Absent: it has begun, and has not ended. */
  status?: string
  outputs?: object
  error?: string
  turn?: number
  waits?: boolean
  attempt?: number
  warnings?: object[]
}

const does = (given: object = {}) => ({ activity: 'act', ...given })
const loop: Workflow = {
  step_configs: {
    a: does(),
    check: {
      activity: 'conditional_branch',
      condition_path: 'a.outputs.value',
      operator: '>',
      value: 1,
      true_step: 'b',
    },
    b: does(),
    again: { activity: 'loop_counter', steps: ['a', 'check'], max_turns: 3 },
    last: does({ give_path: ['a.outputs.value', 'b.outputs.value'] }),
  },
  steps: ['a', 'check', 'again', 'last'],
}
const parallel: Workflow = {
  execution: 'parallel',
  step_configs: {
    a: does({ give: 'a' }),
    b: does({ give: 'b' }),
    c: does({ give: 'c' }),
    d: does({ give_path: 'b.outputs.value' }),
  },
  steps: ['a', 'b', 'c', 'd'],
}
const turn = (seq: number, number: number): Recorded[] => {
  const name = (base: string) => (number > 1 ? `${base}__${number}` : base)
  const more = { status: 'completed', ...(number > 1 && { turn: number }) }
  const isLater = number > 1
  return [
    { seq, name: name('a'), ...more, outputs: { value: number } },
    { seq: seq + 1, name: name('check'), ...more, outputs: { condition: isLater, branch: String(isLater) } },
    ...(isLater ? [{ seq: seq + 2, name: name('b'), ...more, outputs: { value: number } }] : []),
    { seq: seq + 2 + Number(isLater), name: name('again'), ...more, outputs: { turn: number, done: false } },
  ]
}

const failedOnce = {
  timestamp: '2026-11-28T10:00:01.000000Z',
  level: 'warning',
  type: 'step_retried',
  message: 'Attempt 1 failed',
  attributes: {
    attempt: 1,
    started: '2026-11-28T10:00:00.000000Z',
    ended: '2026-11-28T10:00:01.000000Z',
    error_detail: { code: 'activity_failed', message: 'no luck', retryable: false, hint: null, cause: null },
    next_at: '2026-11-28T10:00:02.000000Z',
    next_started: '2026-11-28T10:00:02.000000Z',
  },
}

/** What a dead process had recorded, and how the run has to end. */
const cases: {
  name: string
  workflow: Workflow
  records: Recorded[]
  deaths?: number
  ended?: Body
  done: string[]
}[] = [
  {
    name: 'a loop in its second turn',
    workflow: loop,
    records: [...turn(0, 1), ...turn(3, 2).slice(0, 2)],
    ended: { status: 'completed', error: null, last: { value: [3, 3] } },
    done: ['b__2 1', 'a__3 1', 'b__3 1', 'last 1'],
  },
  {
    name: 'a loop in the middle of a step',
    workflow: loop,
    records: [...turn(0, 1), { seq: 3, name: 'a__2', turn: 2 }],
    ended: { status: 'completed', last: { value: [3, 3] } },
    done: ['a__2 2', 'b__2 1', 'a__3 1', 'b__3 1', 'last 1'],
  },
  {
    name: 'a step in its second attempt',
    workflow: { step_configs: { a: does() }, steps: ['a'] },
    records: [{ seq: 0, name: 'a', attempt: 2, warnings: [failedOnce] }],
    ended: { status: 'completed' },
    done: ['a 3'],
  },
  {
    name: 'a POST that may have been sent, with retries for every error',
    workflow: {
      step_configs: {
        a: {
          activity: 'http_request',
          url: 'http://127.0.0.1:9/',
          body: 'x',
          options: { retry: { max_attempts: 4, backoff: 0.01, retry_on: 'all' } },
        },
      },
      steps: ['a'],
    },
    records: [{ seq: 0, name: 'a' }],
    ended: { status: 'failed', error: /The process ended during a POST, which may have been received/ },
    done: [],
  },
  {
    name: 'a loop that took its process with it ten times',
    workflow: loop,
    records: [...turn(0, 1), { seq: 3, name: 'a__2', turn: 2 }],
    deaths: 10,
    ended: { status: 'failed', error: /^Step 'a__2' failed: The process died 10 times at step 'a__2'/ },
    done: [],
  },
  {
    name: 'steps side by side, two of them begun, the later ones ended',
    workflow: parallel,
    records: [
      { seq: 0, name: 'a' },
      { seq: 1, name: 'b', status: 'completed', outputs: { value: 'kept' } },
      { seq: 2, name: 'c' },
    ],
    ended: { status: 'completed', d: { value: 'kept' } },
    done: ['a 2', 'c 2', 'd 1'],
  },
  {
    name: 'steps side by side of which one had failed',
    workflow: parallel,
    records: [
      { seq: 0, name: 'a' },
      { seq: 1, name: 'b', status: 'failed', error: 'no luck' },
    ],
    ended: { status: 'failed', error: "Step 'b' failed: no luck", statuses: { a: 'cancelled', b: 'failed' } },
    done: [],
  },
  {
    name: 'steps side by side of which all had ended',
    workflow: parallel,
    records: ['a', 'b', 'c', 'd'].map((name, seq) => ({ seq, name, status: 'completed', outputs: { value: name } })),
    ended: { status: 'completed' },
    done: [],
  },
  {
    name: 'steps side by side that took their process with them ten times',
    workflow: parallel,
    records: [
      { seq: 0, name: 'a' },
      { seq: 1, name: 'b', status: 'completed', outputs: { value: 'b' } },
      { seq: 2, name: 'c' },
    ],
    deaths: 10,
    ended: {
      status: 'failed',
      error: /The process died 10 times at step 'a'/,
      statuses: { a: 'failed', b: 'completed', c: 'cancelled' },
    },
    done: [],
  },
]

let api: TestServer
let worker: TestServer
const runs = new Map<string, { task: string; id: string }>()

const leave = async (id: string, records: Recorded[], deaths = 0): Promise<void> => {
  const rows = records.map((record) => ({
    status: 'running',
    outputs: null,
    error: null,
    turn: null,
    attempt: 1,
    warnings: null,
    ...record,
  }))
  await api.server.database.query(
    `insert into steps (run_id, task_id, seq, name, turn, status, attempt, inputs, outputs, error, warnings, epoch, started_at, ended_at)
     select r.id, r.task_id, s.seq, s.name, s.turn, s.status, s.attempt, '{}', s.outputs::text,
       case when s.error is not null then json_build_object('code', 'activity_failed', 'message', s.error)::text end,
       s.warnings::text, 0, now(), case when s.status <> 'running' then now() end
     from runs r, json_to_recordset($2) s(seq int, name text, turn int, status text, outputs json, error text,
       attempt int, warnings json)
     where r.trajectory_id = $1`,
    [id, JSON.stringify(rows)],
  )
  await api.server.database.query('update runs set deaths = $2 where trajectory_id = $1', [id, deaths])
}

beforeAll(async () => {
  api = await startTestServer({ activities: [act], env: { JETTY_ROLE: 'api' } })
  for (const { name, workflow, records, deaths } of cases) {
    const task = await api.task(workflow)
    const { trajectory_id: id } = await api.start(task)
    await leave(id, records, deaths)
    runs.set(name, { task, id })
  }
  worker = await startTestServer({ activities: [act], beside: api })
})
afterAll(async () => {
  await worker?.close()
  await api?.close()
})

it.each(cases)('$name', async ({ name, workflow, ended, done }) => {
  const { task = '', id = '' } = runs.get(name) ?? {}
  const run = await api.until(task, id, (one) => one.ended !== null)
  const { status, error, statuses, ...outputs } = ended
  expect(run.status).toBe(status)
  if (error instanceof RegExp) expect(run.error).toMatch(error)
  else if (error !== undefined) expect(run.error).toBe(error)
  for (const [step, value] of Object.entries(outputs)) expect(run.steps[step].outputs, step).toEqual(value)
  if (statuses) {
    expect(Object.fromEntries(Object.values<Body>(run.steps).map((step) => [step.key, step.status]))).toEqual(statuses)
  }
  expect(Object.values<Body>(run.steps).filter((step) => step.ended === null)).toEqual([])
  const own = effects.filter((line) => line.startsWith(`${task} `)).map((line) => line.slice(task.length + 1))
  const inOrder = (lines: string[]) => (workflow.execution === 'parallel' ? lines.toSorted() : lines)
  expect(inOrder(own)).toEqual(inOrder(done)) // side by side they have no order
})

it('keeps the attempts that the dead process had recorded, and tells which one died with it', async () => {
  const { task = '', id = '' } = runs.get('a step in its second attempt') ?? {}
  const { steps } = await api.until(task, id, (one) => one.ended !== null)
  expect(steps.a.attempt).toBe(3)
  expect(steps.a.attempts).toEqual([
    {
      n: 1,
      started: expect.any(String),
      ended: failedOnce.timestamp,
      error_detail: failedOnce.attributes.error_detail,
    },
    { n: 2, started: failedOnce.attributes.next_started, ended: null, error_detail: null },
    { n: 3, started: expect.any(String), ended: steps.a.ended, error_detail: null },
  ])
  expect(steps.a.logs.at(-1)).toMatchObject({ type: 'step_interrupted', level: 'warning' })
})

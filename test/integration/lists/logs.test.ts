// The log of a run in parts: forwards, backwards, of one step, by type and by text, and as a text to download.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { failing, makeRunner, says } from '../runs/carrying.ts'

const { runner } = makeRunner({
  'talks twice': async (_, host) => {
    host.tell(says(`in attempt ${host.isRepeated ? 2 : 1}`))
    host.tell({ type: 'end', ok: host.isRepeated, reason: 'completed' })
    return host.isRepeated ? undefined : failing('agent_failed')
  },
  talks: async (_, host) => {
    host.tell({ type: 'phase', phase: 'working', message: 'It works' })
    for (let at = 0; at < 450; at++) host.tell(says(`line ${at}`))
    host.tell({ type: 'tool_call', id: 'one', name: 'Bash', input: { command: 'echo "Harbour 50%"' } })
    host.tell({ type: 'tool_result', id: 'one', output: '\u001b[31mred\u001b[0m\nsecond line', is_error: false })
    host.tell({ type: 'error', message: 'something broke' })
    host.tell({ type: 'end', ok: true, reason: 'completed' })
    return undefined
  },
})

let jetty: TestServer
let run: Body
beforeAll(async () => {
  jetty = await startTestServer({ runbooks: runner })
  run = await jetty.run({
    step_configs: {
      before: { activity: 'text_echo', text: 'a', unknown: 1 },
      talk: { activity: 'runbook', agent: 'scripted', instruction: 'talks' },
      after: { activity: 'text_echo', text_path: 'talk.outputs.none' },
    },
    steps: ['before', 'talk', 'after'],
  })
})
afterAll(() => jetty?.close())

const logOf = async (query: Record<string, string | string[]>, of = run): Promise<Body> => {
  const search = new URLSearchParams(
    Object.entries(query).flatMap(([name, all]) => [all].flat().map((one) => [name, one] as [string, string])),
  )
  const { status, body } = await jetty.call('GET', `/api/v1/workflows-logs/${of.workflow_id}?${search}`)
  expect([query, status]).toEqual([query, 200])
  return body
}
/** All pages, one after the other. */
const allOf = async (
  query: Record<string, string | string[]>,
  of = run,
): Promise<{ events: Body[]; pages: number }> => {
  const events: Body[] = []
  let cursor: string | null = ''
  for (let pages = 0; ; pages++) {
    if (cursor === null) return { events, pages }
    const page: Body = await logOf({ ...query, ...(cursor === '' ? {} : { cursor }) }, of)
    expect(page.events.length).toBeLessThanOrEqual(Number(query.limit ?? 1_000))
    events.push(...page.events)
    cursor = page.next_cursor
  }
}

/** The clock of the process that executed the first step of a run was behind that of the database. */
const startBefore = async (one: Body): Promise<void> => {
  const earlier = `update steps s set started_at = r.started_at - interval '1 second' from runs r`
  const where = 'where s.run_id = r.id and s.seq = 0 and r.trajectory_id = $1'
  await jetty.server.database.query(`${earlier} ${where}`, [one.trajectory_id])
}

describe('the log in parts', () => {
  it('has every event once, in the order of the whole log, whatever the size of a part', async () => {
    const { events: whole } = await logOf({ limit: '5000' })
    expect(whole.length).toBeGreaterThan(460)
    for (const limit of ['1000', '97', '455', '1']) {
      if (limit === '1') continue
      expect((await allOf({ order: 'asc', limit })).events).toEqual(whole)
      const backwards = await allOf({ order: 'desc', limit })
      expect(backwards.events.reverse()).toEqual(whole)
    }
  })

  it('begins with the newest events backwards', async () => {
    const { events, next_cursor } = await logOf({ order: 'desc', limit: '5' })
    expect(events.map(({ type }: Body) => type)).toEqual([
      'run_failed',
      'step_failed',
      'step_started',
      'step_completed',
      'agent_end',
    ])
    const before = await logOf({ order: 'desc', limit: '2', cursor: next_cursor })
    expect(before.events.map(({ type }: Body) => type)).toEqual(['agent_error', 'agent_tool_result'])
  })

  it('of one step has the events of that step alone', async () => {
    const { events } = await allOf({ step: 'talk', limit: '100' })
    expect(new Set(events.map(({ step }) => step))).toEqual(new Set(['talk']))
    expect(events.length).toBe(450 + 5 + 2)
    expect((await allOf({ step: 'before' })).events.map(({ type }) => type)).toEqual([
      'step_started',
      'warning',
      'step_completed',
    ])
    expect((await allOf({ step: 'none' })).events).toEqual([])
    const backwards = await allOf({ step: 'talk', order: 'desc', limit: '7' })
    expect(backwards.events.reverse()).toEqual(events)
  })

  it.each([
    [{ type: ['agent_tool_call', 'step_failed'] }, ['agent_tool_call', 'step_failed']],
    [{ type: 'agent_error' }, ['agent_error']],
    [{ type: 'no_such_type' }, []],
    [{ level: 'error', order: 'asc' }, ['agent_error', 'step_failed', 'run_failed']],
    [{ q: 'something BROKE' }, ['agent_error']],
    [{ q: '"harbour 50%"' }, ['agent_tool_call']],
    [{ q: 'line 449' }, ['agent_message']],
    [{ q: '%' }, ['agent_tool_call']],
    [{ q: 'line 4', type: 'agent_error' }, []],
  ] as const)('filtered by %j', async (query, types) => {
    const filter = query as unknown as Record<string, string>
    expect((await allOf(filter)).events.map(({ type }) => type)).toEqual(types)
    const backwards = await allOf({ ...filter, order: 'desc', limit: '1' })
    expect(backwards.events.map(({ type }) => type)).toEqual([...types].reverse())
  })

  it('of a run without agents, of one with loops, and of an ingested one', async () => {
    const looped = await jetty.run({
      step_configs: {
        work: { activity: 'text_echo', text: 'x' },
        again: { activity: 'loop_counter', steps: ['work'], max_turns: 3 },
      },
      steps: ['work', 'again'],
    })
    await startBefore(looped)
    const whole: Body[] = (await logOf({}, looped)).events
    expect(whole.map(({ timestamp }) => timestamp)).toEqual(whole.map(({ timestamp }) => timestamp).sort())
    expect((await allOf({ order: 'asc', limit: '3' }, looped)).events).toEqual(whole)
    expect((await allOf({ step: 'work__2' }, looped)).events).toHaveLength(2)
    const sent = { trajectory_id: 'sent-in', output: 'x' }
    await jetty.call('POST', `/api/v1/trajectories/acme/${looped.task}/ingest`, sent)
    const ingested = { workflow_id: `acme-${looped.task}--sent-in` }
    for (const order of ['asc', 'desc']) {
      expect((await allOf({ order }, ingested)).events.map(({ type }) => type)).toEqual(['run_ingested'])
    }
  })

  test('a cursor that no response had is refused, or leads to nothing', async () => {
    const path = `/api/v1/workflows-logs/${run.workflow_id}?order=asc&cursor=`
    for (const cursor of ['x', '1.2', '1.9.1', '5', '-1.0.0']) {
      expect([cursor, (await jetty.call('GET', path + cursor)).status]).toEqual([cursor, 422])
    }
    for (const cursor of ['9999999999.2.9999999999', '4000000000.1.4000000000', '2.1.9999999999']) {
      for (const order of ['asc', 'desc']) expect((await logOf({ order, cursor })).status).toBe('failed')
    }
  })
})

test('of one attempt it has what happened in it', async () => {
  const retry = { max_attempts: 3, retry_on: 'all', backoff: 0.05 }
  const twice = await jetty.run({
    step_configs: {
      talk: { activity: 'runbook', agent: 'scripted', instruction: 'talks twice', options: { retry } },
    },
    steps: ['talk'],
  })
  expect(twice.steps.talk.attempt).toBe(2)
  const typesIn = async (attempt: string, order: string) =>
    (await allOf({ step: 'talk', attempt, order }, twice)).events.map(({ type, message }) => `${type} ${message}`)
  const first = ['step_started', 'step_retried', 'agent_message in attempt 1', 'agent_end']
  const matches = (texts: string[], expected: string[]) =>
    expect(texts.map((text, at) => (text.startsWith(expected[at] ?? '?') ? expected[at] : text))).toEqual(expected)
  matches(await typesIn('1', 'asc'), first)
  matches(await typesIn('1', 'desc'), [...first].reverse())
  matches(await typesIn('2', 'asc'), ['agent_message in attempt 2', 'agent_end', 'step_completed'])
  expect(await typesIn('3', 'asc')).toEqual([])
  expect((await allOf({ attempt: '1' }, twice)).events).toHaveLength(4)
})

test('as text it has one event a line, without control characters, and is a download', async () => {
  const url = `${jetty.url}/api/v1/workflows-logs/${run.workflow_id}?format=text`
  const response = await fetch(url, { headers: { authorization: `Bearer ${jetty.server.adminToken}` } })
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${run.trajectory_id}.log"`)
  const text = await response.text()
  expect(text).not.toContain('\u001b')
  const lines = text.split('\n')
  expect(lines.filter((line) => line.includes('agent_message'))).toHaveLength(450)
  const at = lines.findIndex((line) => line.includes('agent_tool_result [talk] red'))
  expect(lines[at + 1]).toBe('    second line')
  const one = await fetch(`${url}&step=before&type=warning`, {
    headers: { authorization: `Bearer ${jetty.server.adminToken}` },
  })
  expect((await one.text()).trim().split('\n')).toHaveLength(1)
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { assemble, readEvents, type SeenEvent } from '../../event-stream.ts'
import { callJetty, killJetties, startJetty } from '../../jetty-process.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const nap = (seconds: number) => ({ activity: 'sleep', seconds })
const gate = { activity: 'wait_for_approval', message: 'On?' }
const echo = (given: Record<string, unknown>) => ({ activity: 'text_echo', ...given })
const between = (first: Record<string, unknown>, second: Record<string, unknown>) => ({
  init_params: { text: 'a' },
  step_configs: {
    zero: echo({ text_path: 'init_params.text' }),
    first,
    middle: echo({ text_path: 'zero.outputs.text' }),
    second,
    last: echo({ text_path: 'middle.outputs.text', unknown: 1 }),
  },
  steps: ['zero', 'first', 'middle', 'second', 'last'],
})
/** One goes on by itself, the other when it is let through its gates. */
const workflows = { watched: between(nap(0.4), nap(0.4)), gated: between(gate, gate) }

const idsRise = (events: SeenEvent[], from = -1): void => {
  let last = from
  for (const { id } of events) {
    if (id === undefined) continue
    expect(id).toBeGreaterThan(last)
    last = id
  }
}
const lastId = (events: SeenEvent[]): number => events.flatMap(({ id }) => (id === undefined ? [] : [id])).at(-1) ?? -1
const sameAs = (state: Body, shown: Body): void => {
  const { steps, status, error, labels = [] } = state
  expect({ steps, status, error, labels }).toEqual({
    labels: shown.labels,
    steps: shown.steps,
    status: shown.status,
    error: shown.error,
  })
}

interface Place {
  url: string
  token: string
  start(workflow: keyof typeof workflows): Promise<{ task: string; id: string }>
  get(task: string, id: string): Promise<Body>
}

/** What holds for a run, wherever it is executed. */
const behaviour = (place: () => Place) => {
  const eventsOf = (task: string, id: string) => `${place().url}/api/v1/trajectory/acme/${task}/${id}/events`
  const letThrough = async (task: string, id: string, step: string): Promise<void> => {
    const { url, token } = place()
    const path = `/trajectory/acme/${task}/${id}/steps/${step}/approval`
    while ((await callJetty(url, token, 'POST', path, { decision: 'approve' })).status !== 200) await pause(20)
  }

  test('a snapshot, then every change, then the end', async () => {
    const { token, start, get } = place()
    const { task, id } = await start('gated')
    const open = new Set<string>()
    const { events, ended, headers } = await readEvents(eventsOf(task, id), token, {
      enough: (seen) => {
        const { steps } = assemble({ steps: {} }, seen)
        for (const step of ['first', 'second']) {
          if (steps[step]?.status !== 'running' || open.has(step)) continue
          open.add(step)
          void letThrough(task, id, step)
        }
        return false
      },
    })
    expect(headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(ended).toBe(true)
    expect(events[0]).toMatchObject({ event: 'snapshot', data: { trajectory_id: id, init_params: { text: 'a' } } })
    expect(events.filter(({ event }) => event === 'snapshot')).toHaveLength(1)
    idsRise(events)
    const kinds = new Set(events.map(({ event }) => event))
    expect([...kinds].every((kind) => ['snapshot', 'status', 'step', 'log', 'label', 'end'].includes(kind))).toBe(true)
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { trajectory_id: id, status: 'completed', error: null } })
    expect(events.slice(-2).map(({ event, data }) => [event, data.status])).toEqual([
      ['status', 'completed'],
      ['end', 'completed'],
    ])
    const warning = events.find(({ event, data }) => event === 'log' && data.level === 'warning')
    expect(warning?.data).toMatchObject({ step: 'last' })
    expect(
      events.some(({ event, data }) => event === 'step' && data.key === 'second' && data.status === 'running'),
    ).toBe(true)
    sameAs(assemble({}, events), await get(task, id))
  })

  test('after Last-Event-ID there is no snapshot and nothing is missing, however often the client comes back', async () => {
    const { token, start, get } = place()
    const { task, id } = await start('watched')
    let state: Body = {}
    let seen: SeenEvent[] = []
    let at = -1
    for (let rounds = 0; rounds < 100; rounds++) {
      const enough = (events: SeenEvent[]) => events.some((event) => event.id !== undefined)
      const again = at < 0 ? {} : { lastEventId: at }
      const { events, ended } = await readEvents(eventsOf(task, id), token, { ...again, enough })
      if (at >= 0) expect(events.some(({ event }) => event === 'snapshot')).toBe(false)
      idsRise(events, at)
      state = assemble(state, events)
      at = Math.max(at, lastId(events))
      seen = [...seen, ...events]
      if (ended) break
    }
    expect(seen.at(-1)?.event).toBe('end')
    sameAs(state, await get(task, id))
    const after = await readEvents(eventsOf(task, id), token, { lastEventId: at })
    expect(after.events.map(({ event }) => event)).toEqual(['end'])
    const all = await readEvents(eventsOf(task, id), token, { lastEventId: 0 })
    sameAs(assemble({ steps: {} }, all.events), await get(task, id))
    expect((await readEvents(eventsOf(task, id), token, { lastEventId: 'nonsense' })).events[0]?.event).toBe('snapshot')
  })

  test('after an id that was never given out all is told from the start: nothing is waited for that long', async () => {
    const { token, start, get } = place()
    const { task, id } = await start('watched')
    const { events } = await readEvents(eventsOf(task, id), token, { lastEventId: 999_999_999_999 })
    expect(events[0]?.event).toBe('snapshot')
    idsRise(events)
    sameAs(assemble({}, events), await get(task, id))
  })

  test('labels that are set, changed and removed, while the run goes on and after it has ended', async () => {
    const { url, token, start, get } = place()
    const { task, id } = await start('gated')
    const label = (method: string, path: string, body?: object) =>
      callJetty(url, token, method, `/trajectory/acme/${task}/${id}/labels${path}`, body)
    let begin = () => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const enough = (seen: SeenEvent[]) => {
      if (seen.length > 0) begin()
      return false
    }
    const watching = readEvents(eventsOf(task, id), token, { enough })
    await begun
    for (const value of ['low', 'high']) await label('POST', '', { key: 'quality', value, author: 'a' })
    await label('POST', '', { key: 'gone', value: 1, author: 'a' })
    const kept = await label('POST', '', { key: 'kept', value: '', author: 'b' })
    await label('DELETE', '/gone')
    for (const step of ['first', 'second']) await letThrough(task, id, step)
    const { events } = await watching
    idsRise(events)
    const shown = await get(task, id)
    expect(shown.labels.map((one: Body) => [one.key, one.value])).toEqual([
      ['quality', 'high'],
      ['kept', ''],
    ])
    sameAs(assemble({}, events), shown)
    const told = events.filter(({ event }) => event === 'label')
    expect(told.at(-1)?.data).toEqual({ trajectory_id: id, labels: shown.labels })
    expect(kept.body.label).toEqual(shown.labels[1])
    const again = await readEvents(eventsOf(task, id), token, { lastEventId: (told.at(-1)?.id as number) - 1 })
    expect(again.events.filter(({ event }) => event === 'label')).toEqual(told.slice(-1))

    const at = lastId(events)
    await label('DELETE', '/quality')
    const after = await readEvents(eventsOf(task, id), token, { lastEventId: at })
    expect(after.events.map(({ event }) => event)).toEqual(['label', 'end'])
    expect(after.events[0]?.id).toBeGreaterThan(at)
    sameAs(assemble(shown, after.events), await get(task, id))
    const rest = await readEvents(eventsOf(task, id), token, { lastEventId: lastId(after.events) })
    expect(rest.events.map(({ event }) => event)).toEqual(['end'])
  })

  test('a run that has ended: the snapshot is whole, and the stream ends at once', async () => {
    const { token, start, get } = place()
    const { task, id } = await start('watched')
    await readEvents(eventsOf(task, id), token)
    const { events, ended } = await readEvents(eventsOf(task, id), token)
    expect([ended, events.map(({ event }) => event)]).toEqual([true, ['snapshot', 'end']])
    expect(events[0]?.data).toEqual(await get(task, id))
  })
}

describe('a run that is executed here', () => {
  let jetty: TestServer
  let tasks: Record<keyof typeof workflows, string>
  beforeAll(async () => {
    jetty = await startTestServer()
    tasks = { watched: await jetty.task(workflows.watched), gated: await jetty.task(workflows.gated) }
  })
  afterAll(() => jetty?.close())
  behaviour(() => ({
    url: jetty.url,
    token: jetty.server.adminToken,
    start: async (workflow) => ({
      task: tasks[workflow],
      id: (await jetty.start(tasks[workflow])).trajectory_id,
    }),
    get: jetty.get,
  }))

  test('100 watch at once, and all see the same', async () => {
    const task = tasks.watched
    const { trajectory_id: id } = await jetty.start(task)
    const url = `${jetty.url}/api/v1/trajectory/acme/${task}/${id}/events`
    const all = await Promise.all(Array.from({ length: 100 }, () => readEvents(url, jetty.server.adminToken)))
    const shown = await jetty.get(task, id)
    for (const { events, ended } of all) {
      expect(ended).toBe(true)
      idsRise(events)
      sameAs(assemble({}, events), shown)
    }
  })

  test('a cancelled run ends its stream; a run of another task is not found', async () => {
    const long = await jetty.task({ step_configs: { a: nap(60) }, steps: ['a'] })
    const { trajectory_id: id } = await jetty.start(long)
    const url = `${jetty.url}/api/v1/trajectory/acme/${long}/${id}/events`
    const watching = readEvents(url, jetty.server.adminToken)
    await jetty.until(long, id, (seen) => seen.steps.a?.status === 'running')
    await jetty.call('POST', `/api/v1/trajectory/acme/${long}/statuses`, { [id]: 'cancelled' })
    const { events } = await watching
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { status: 'cancelled' } })
    sameAs(assemble({}, events), await jetty.get(long, id))
    const other = await jetty.call('GET', `/api/v1/trajectory/acme/${tasks.watched}/${id}/events`)
    expect([other.status, other.body.detail]).toEqual([404, `Trajectory '${id}' not found`])
  })

  test('a run of many steps that are done before the client has read them is seen whole', async () => {
    const names = Array.from({ length: 1000 }, (_, at) => `s${at}`)
    const many = await jetty.task({
      step_configs: Object.fromEntries(names.map((name) => [name, echo({ text: name })])),
      steps: names,
    })
    const { trajectory_id: id } = await jetty.start(many)
    const url = `${jetty.url}/api/v1/trajectory/acme/${many}/${id}/events`
    const { events } = await readEvents(url, jetty.server.adminToken)
    idsRise(events)
    sameAs(assemble({}, events), await jetty.get(many, id))
  })
})

describe('a run that another process executes', () => {
  let database: TestDatabase
  let dataDir: string
  let here: string
  let token: string
  beforeAll(async () => {
    database = await createTestDatabase()
    dataDir = mkdtempSync(join(tmpdir(), 'jetty-events-'))
    token = 'admin-token-of-the-events-test'
    const env = { DATABASE_URL: database.url, JETTY_DATA_DIR: dataDir, JETTY_ADMIN_TOKEN: token, HOME: dataDir }
    const api = startJetty({ ...env, JETTY_ROLE: 'api' })
    here = (await api.ready).url
    await startJetty({ ...env, JETTY_ROLE: 'worker' }).ready
    await callJetty(here, token, 'POST', '/collections', { name: 'acme' })
    for (const [name, workflow] of Object.entries(workflows)) {
      await callJetty(here, token, 'POST', '/tasks/acme', { name, workflow })
    }
  })
  afterAll(async () => {
    await killJetties()
    await database?.drop()
    rmSync(dataDir, { recursive: true, force: true })
  })
  behaviour(() => ({
    url: here,
    token,
    start: async (task) => ({
      task,
      id: (await callJetty(here, token, 'POST', `/run/acme/${task}`, {})).body.trajectory_id,
    }),
    get: async (task, id) => (await callJetty(here, token, 'GET', `/db/trajectory/acme/${task}/${id}`)).body,
  }))
})

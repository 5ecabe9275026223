import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const echo = { step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] }
const nap = (seconds: number) => ({ step_configs: { a: { activity: 'sleep', seconds } }, steps: ['a'] })

let jetty: TestServer
let task: string
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_MAX_LABELS_PER_RUN: '20' } })
  task = await jetty.task(echo)
})
afterAll(() => jetty?.close())

const at = (name: string, id: string) => `/api/v1/trajectory/acme/${name}/${id}/labels`
const add = (name: string, id: string, label: object) => jetty.call('POST', at(name, id), label)
const short = (labels: Body[]) => labels.map(({ key, value, author }) => [key, value, author])
const ended = async (): Promise<string> => {
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, (seen) => seen.status === 'completed')
  return id
}
const counts = async (name: string) =>
  jetty.server.database.query<{ key: string; value: string; total: number }>(
    `select c.key, c.value, c.total from label_counts c join tasks t on t.id = c.task_id
     where t.name = $1 order by c.key, c.value`,
    [name],
  )
/** What the labels themselves say. */
const counted = async (name: string) =>
  jetty.server.database.query(
    `select l.key, l.value, count(*)::int8 as total from labels l join tasks t on t.id = l.task_id
     where t.name = $1 group by l.key, l.value order by l.key, l.value`,
    [name],
  )

describe('labels', () => {
  test('are set by key and author, the newest last, and seen at once in get, list and GET', async () => {
    const id = await ended()
    const first = await add(task, id, { key: 'quality', value: 'low', author: 'a' })
    const label = { key: 'quality', value: 'low', created: expect.stringMatching(/^20.*\.\d{6}Z$/), author: 'a' }
    expect(first).toMatchObject({
      status: 200,
      body: { ok: true, message: 'Label added', trajectory_id: id, label, labels: [label] },
    })
    await add(task, id, { key: 'quality', value: 'medium', author: 'b' })
    await add(task, id, { key: 'review', value: '', author: 'a' })
    const { body } = await add(task, id, { key: 'quality', value: 'high', author: 'a' })
    const expected = [
      ['quality', 'medium', 'b'],
      ['review', '', 'a'],
      ['quality', 'high', 'a'],
    ]
    expect(short(body.labels)).toEqual(expected)
    expect((await jetty.call('GET', at(task, id))).body).toEqual({ labels: body.labels })
    expect((await jetty.get(task, id)).labels).toEqual(body.labels)
    const list = await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)
    expect(list.body.trajectories.find((one: Body) => one.trajectory_id === id).labels).toEqual(body.labels)
    expect(Object.fromEntries(body.labels.map((one: Body) => [one.key, one.value]))).toEqual({
      quality: 'high',
      review: '',
    })
  })

  test('numbers and booleans become text; what is missing, empty, too long or cannot be stored is a 422', async () => {
    const id = await ended()
    const one = { key: 'k', value: 'v', author: 'a' }
    expect((await add(task, id, { ...one, value: 0.25 })).body.label.value).toBe('0.25')
    expect((await add(task, id, { ...one, value: false })).body.label.value).toBe('false')
    const { key: _, ...noKey } = one
    const { value: __, ...noValue } = one
    const { author: ___, ...noAuthor } = one
    const wrong: [string, object][] = [
      ['key', noKey],
      ['value', noValue],
      ['author', noAuthor],
      ['key', { ...one, key: '' }],
      ['author', { ...one, author: '' }],
      ['key', { ...one, key: 'k'.repeat(201) }],
      ['author', { ...one, author: 'a'.repeat(201) }],
      ['value', { ...one, value: 'é'.repeat(4097) }],
      ['value', { ...one, value: null }],
      ['value', { ...one, value: ['x'] }],
      ['key', { ...one, key: 'a\0b' }],
      ['value', { ...one, value: 'a\0b' }],
      ['author', { ...one, author: '\ud800' }],
    ]
    for (const [field, body] of wrong) {
      const answer = await add(task, id, body)
      expect([field, answer.status, answer.body.detail?.[0]?.loc?.slice(0, 2)]).toEqual([field, 422, ['body', field]])
    }
    const msg = async (body: object) => (await add(task, id, body)).body.detail[0].msg
    expect(await msg(noValue)).toBe('Field required')
    expect(await msg({ ...one, value: null })).toBe('Expected a text, a number, true or false')
    expect((await add(task, id, { ...one, value: 'é'.repeat(4096) })).status).toBe(200)
    expect((await add(task, id, { key: 'k'.repeat(200), value: '', author: '√'.repeat(200) })).status).toBe(200)
    expect((await jetty.get(task, id)).labels).toHaveLength(2)
  })

  test('of a run there are no more than the setting allows; one that is there can still change', async () => {
    const id = await ended()
    const many = await Promise.all(
      Array.from({ length: 30 }, (_, at) => add(task, id, { key: `k${at}`, value: at, author: 'a' })),
    )
    expect(many.filter(({ status }) => status === 200)).toHaveLength(20)
    const refused = many.find(({ status }) => status !== 200)
    expect(refused).toMatchObject({
      status: 422,
      body: { detail: expect.stringContaining('A run has at most 20 labels') },
    })
    const [{ key }] = (await jetty.get(task, id)).labels
    expect((await add(task, id, { key, value: 'new', author: 'a' })).status).toBe(200)
    expect((await add(task, id, { key, value: 'new', author: 'b' })).status).toBe(422)
  })

  test('are removed by key, or by key and author; a 404 where there was none', async () => {
    const id = await ended()
    for (const author of ['a', 'b']) await add(task, id, { key: 'x/y z', value: author, author })
    await add(task, id, { key: 'other', value: 1, author: 'a' })
    const path = `${at(task, id)}/${encodeURIComponent('x/y z')}`
    const one = await jetty.call('DELETE', `${path}?author=a`)
    expect(one.body).toMatchObject({ ok: true, message: 'Label removed', trajectory_id: id })
    expect(short(one.body.labels)).toEqual([
      ['x/y z', 'b', 'b'],
      ['other', '1', 'a'],
    ])
    expect((await jetty.call('DELETE', `${path}?author=a`)).status).toBe(404)
    expect((await jetty.call('DELETE', path)).status).toBe(200)
    const gone = await jetty.call('DELETE', path)
    expect([gone.status, gone.body.detail]).toEqual([404, expect.stringContaining("Label 'x/y z' not found")])
    expect(short((await jetty.get(task, id)).labels)).toEqual([['other', '1', 'a']])
  })

  test('of runs that are running, parked, archived; not of runs that are not there', async () => {
    for (const seconds of [30, 3600]) {
      const name = await jetty.task(nap(seconds))
      const { trajectory_id: id } = await jetty.start(name)
      await jetty.until(name, id, (seen) => seen.steps.a?.status === 'running')
      const answer = await add(name, id, { key: 'k', value: seconds, author: 'a' })
      expect([answer.status, answer.body.labels.length]).toEqual([200, 1])
      await jetty.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [id]: 'cancelled' })
      await add(name, id, { key: 'late', value: 1, author: 'a' })
      await jetty.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [id]: 'archived' })
      expect((await add(name, id, { key: 'later', value: 1, author: 'a' })).body.labels).toHaveLength(3)
      expect(await jetty.get(name, id)).toMatchObject({ status: 'archived', labels: [{}, {}, {}] })
    }
    for (const method of ['GET', 'POST', 'DELETE']) {
      const body = method === 'POST' ? { key: 'k', value: 'v', author: 'a' } : undefined
      const path = at(task, 'ffffffff') + (method === 'DELETE' ? '/k' : '')
      const missing = await jetty.call(method, path, body)
      expect([missing.status, missing.body.detail]).toEqual([404, "Trajectory 'ffffffff' not found"])
    }
  })

  test('how often a value stands is right after sets, changes and removals at the same time', async () => {
    const name = await jetty.task(echo)
    const ids: string[] = []
    for (let at = 0; at < 8; at++) ids.push((await jetty.start(name)).trajectory_id)
    const values = ['low', 'high', 'none']
    await Promise.all(
      Array.from({ length: 300 }, async (_, nth) => {
        const id = ids[(nth * 7) % ids.length] as string
        const key = `k${nth % 3}`
        if (nth % 5 === 4) return jetty.call('DELETE', `${at(name, id)}/${key}`)
        return add(name, id, { key, value: values[(nth * 11) % 3], author: `a${nth % 2}` })
      }),
    )
    const expected = await counted(name)
    expect(expected.length).toBeGreaterThan(2)
    expect(await counts(name)).toEqual(expected)
  })

  test('and the end of a run never lose each other', async () => {
    const name = await jetty.task(nap(0.2))
    const ids: string[] = (await Promise.all(Array.from({ length: 100 }, () => jetty.start(name)))).map(
      (started) => started.trajectory_id,
    )
    const posted = await Promise.all(
      ids.map(async (id, at) => {
        await new Promise((resolve) => setTimeout(resolve, at * 4))
        const answer = await add(name, id, { key: 'eve.verdict', value: at, author: 'eve' })
        const seen = await jetty.get(name, id)
        return [answer.status, short(seen.labels)]
      }),
    )
    expect(posted).toEqual(ids.map((_, at) => [200, [['eve.verdict', String(at), 'eve']]]))
    for (const id of ids) await jetty.until(name, id, (seen) => seen.status === 'completed')
    const list = await jetty.call('GET', `/api/v1/db/trajectories/acme/${name}?limit=200`)
    const shown = new Map(list.body.trajectories.map((one: Body) => [one.trajectory_id, short(one.labels)]))
    expect(ids.map((id) => shown.get(id))).toEqual(ids.map((_, at) => [['eve.verdict', String(at), 'eve']]))
  })

  test('go with their collection', async () => {
    await jetty.call('POST', '/api/v1/collections', { name: 'gone' })
    await jetty.call('POST', '/api/v1/tasks/gone', { name: 't', workflow: echo })
    const { body } = await jetty.call('POST', '/api/v1/run-sync/gone/t', {})
    await jetty.call('POST', `/api/v1/trajectory/gone/t/${body.trajectory_id}/labels`, {
      key: 'only-here',
      value: 'v',
      author: 'a',
    })
    const left = () =>
      jetty.server.database.query(
        `select 'label' from labels where key = 'only-here' union all select 'count' from label_counts where key = 'only-here'`,
      )
    expect(await left()).toHaveLength(2)
    expect((await jetty.call('DELETE', '/api/v1/collections/gone')).status).toBe(204)
    expect(await left()).toEqual([])
  })
})

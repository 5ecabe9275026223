// sql through the front door: a real PostgreSQL, roles that may read or write, and statements that try to get out.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeSqlRunner } from '../../../src/lib/sql/run-sql.ts'
import { pause } from '../../../src/lib/time.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { openWarehouse, type Warehouse } from '../../warehouse.ts'

let warehouse: Warehouse
let jetty: TestServer

const setup = [
  'create table log (key text primary key, text text)',
  'create sequence tries',
  `create function fail_twice() returns int language plpgsql as $$ begin
    if nextval('tries') < 3 then raise exception 'try again' using errcode = '40001'; end if; return 1; end $$`,
  `create function writes() returns int language plpgsql as $$ begin
    insert into log values ('hidden', ''); return 1; end $$`,
  `create function unlocks() returns int language plpgsql as $$ begin
    perform set_config('transaction_read_only', 'off', true); insert into log values ('unlocked', ''); return 1; end $$`,
]

beforeAll(async () => {
  warehouse = await openWarehouse()
  const { host, reader, writer, password, urlOf, ownerUrl } = warehouse
  const rights = ['log', 'sequence tries'].map((one) => `grant all on ${one} to ${reader}, ${writer}`)
  for (const text of [...setup, ...rights]) await warehouse.admin.query(text)
  jetty = await startTestServer({ env: { JETTY_ALLOW_PRIVATE_NETWORK: host } })
  jetty.leaks.remember('the password of the warehouse', password)
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: {
      ...{
        WAREHOUSE: urlOf(reader),
        WRITER: urlOf(writer),
        WRONG: urlOf(writer, `${password}-wrong`),
        OWNER: ownerUrl,
      },
      ...{ INSIDE: 'postgres://me:unmistakable-inside@10.0.0.1/x', SELF: 'postgres://me:unmistakable-self@0/x' },
    },
  })
})
afterAll(async () => {
  await jetty?.close()
  await warehouse?.close()
})

const run = (config: object, more: object = {}): Promise<Body> =>
  jetty.run({
    init_params: { customer: 'ada', evil: "x'; drop table orders; --" },
    step_configs: { ask: { activity: 'sql', connection: 'env.WAREHOUSE', ...config }, ...more },
    steps: ['ask', ...Object.keys(more)],
  })
const write = (config: object) => run({ connection: 'env.WRITER', read_only: false, ...config })
const logged = async (): Promise<string[]> =>
  (await warehouse.admin.query<{ key: string }>('select key from log order by key')).map(({ key }) => key)

describe('reading', () => {
  it('the example of the catalogue gives rows, with the connection of the environment', async () => {
    const { body } = await jetty.call('GET', '/api/v1/step-templates/sql')
    const done = await run(body.example)
    expect([done.status, done.error]).toEqual(['completed', null])
    expect(done.steps.ask.outputs).toEqual({
      ...{
        rows: [
          { id: 1, total: 19.9 },
          { id: 3, total: 7.25 },
        ],
        file: null,
        count: 2,
        affected_rows: 0,
      },
      ...{
        columns: [
          { name: 'id', type: 'int4' },
          { name: 'total', type: 'numeric' },
        ],
        truncated: false,
      },
    })
    expect(done.steps.ask.inputs).toMatchObject({ connection: '***', parameters: { customer: 'ada' } })
  })

  it('values keep their types, and what JSON cannot hold is text', async () => {
    const sql = `select 9007199254740993 as large, 0.1::numeric as small, '2026-07-01 12:00+02'::timestamptz as at,
      array[1, null] as list, '{"a": [1]}'::jsonb as json, 'hi'::bytea as bytes, interval '1 day 2 hours' as span,
      null as nothing, 1 as a, 2 as a, :list::text[] as texts, :json::jsonb as back`
    const done = await run({ sql, parameters: { list: ['x,y', '"'], json: { deep: [null] } } })
    expect(done.steps.ask.outputs.rows).toEqual([
      {
        ...{ large: '9007199254740993', small: 0.1, at: '2026-07-01T10:00:00Z', list: [1, null], json: { a: [1] } },
        ...{ bytes: 'aGk=', span: 'P1DT2H', nothing: null, a: 1, a_2: 2, texts: ['x,y', '"'], back: { deep: [null] } },
      },
    ])
  })

  it('values are values, whatever is in them', async () => {
    const named = await run({
      sql: 'select :evil::text as evil, count(*) from orders where customer = :evil',
      parameters: { evil_path: 'init_params.evil' },
    })
    expect(named.steps.ask.outputs.rows).toEqual([{ evil: "x'; drop table orders; --", count: 0 }])
    const listed = await run({ query: 'select $2::int as b, $1::text as a', params: ["'", 7] })
    expect(listed.steps.ask.outputs.rows).toEqual([{ b: 7, a: "'" }])
  })
})

describe('a read-only step', () => {
  it.each([
    ["insert into log values ('a', '')", /insert changes something/],
    ["with x as (insert into log values ('b', '') returning key) select * from x", /read-only transaction \(25006\)/],
    ["explain analyze insert into log values ('c', '')", /read-only transaction/],
    ['select writes()', /read-only transaction/],
    ['select unlocks()', /read-write mode must be set before any query|read-only transaction/],
    ["select set_config('transaction_read_only', 'off', false), writes()", /read-write mode must be set/],
    ["select nextval('tries')", /read-only transaction/],
    ["select pg_read_file('/etc/passwd')", /permission denied/],
    ['select * from orders for update', /read-only transaction/],
    ['select into elsewhere from orders', /read-only transaction/],
  ])('%s', async (sql, message) => {
    expect((await run({ sql })).error).toMatch(message)
    expect(await logged()).toEqual([])
  })

  it('is not for a superuser, whose functions reach out of the transaction', async () => {
    const done = await run({ connection: 'env.OWNER', sql: 'select 1' })
    expect(done.error).toMatch(/The role of the connection is a superuser/)
    const written = await run({ connection: 'env.OWNER', sql: 'select 1 as one', read_only: false })
    expect(written.steps.ask.outputs.rows).toEqual([{ one: 1 }])
  })
})

describe('bounds', () => {
  const textAt = async (path: string): Promise<string> => {
    const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
    return (await fetch(`${jetty.url}/api/v1/file/${path}`, { headers })).text()
  }
  const series = "select n, repeat('x', 100) as text from generate_series(1, 20000) n"

  it('further rows are left out, and said', async () => {
    const done = await run({ sql: series, max_rows: 2 })
    expect(done.steps.ask.outputs).toMatchObject({ count: 2, truncated: true, rows: [{ n: 1 }, { n: 2 }] })
    expect(JSON.stringify(done.logs ?? done.steps.ask)).toContain('more than 2 rows')
  })

  it('a large result is a file of JSON lines, or CSV', async () => {
    const done = await run({ sql: series, max_rows: 20_000 })
    const { file, rows, count } = done.steps.ask.outputs
    expect([rows, count, file.content_type]).toEqual([[], 20_000, 'application/jsonl'])
    const lines = (await textAt(file.path)).trim().split('\n')
    expect([lines.length, JSON.parse(lines.at(-1) ?? '').n]).toEqual([20_000, 20_000])
    const csv = await run({
      sql: "select 1 as a, '=1+1' as b, :secret::text as c",
      result: 'csv',
      parameters: { secret: warehouse.password },
    })
    expect(await textAt(csv.steps.ask.outputs.file.path)).toBe("a,b,c\r\n1,'=1+1,***\r\n")
  })

  it.each([
    [{ sql: series, max_rows: 20_000, max_bytes: 100_000 }, /more than 100000 bytes|more than 97/],
    [{ sql: "select repeat('x', 4000000)", max_bytes: 1_000_000 }, /a row or a message of more than/],
    [{ sql: 'select pg_sleep(600)', query_timeout_sec: 0.1 }, /statement timeout \(57014\)|took longer than 0\.1 s/],
    [{ sql: 'select 1', max_rows: 100_000_000 }, /max_rows' is 100000000, and this server allows 1000000/],
  ])('%j fails', async (config, message) => {
    expect((await run(config)).error).toMatch(message)
  })
})

describe('writing', () => {
  it('counts rows, and gives what the statement returns', async () => {
    const sql = 'insert into log select * from json_populate_recordset(null::log, :items) returning key'
    const done = await write({ sql, parameters: { items: [{ key: 'one', text: 'a' }, { key: 'two' }] } })
    expect(done.steps.ask.outputs).toMatchObject({ affected_rows: 2, rows: [{ key: 'one' }, { key: 'two' }] })
    expect(await logged()).toEqual(['one', 'two'])
    const removed = await write({ sql: 'delete from log' })
    expect(removed.steps.ask.outputs.affected_rows).toBe(2)
  })

  it('is rolled back if it returns more rows than are read', async () => {
    const done = await write({ sql: 'update orders set total = 0 returning id', max_rows: 2 })
    expect(done.error).toMatch(/returns more than 2 rows; nothing was changed/)
    expect((await run({ sql: 'select sum(total) from orders' })).steps.ask.outputs.rows).toEqual([{ sum: 32.15 }])
  })

  it('is tried again after a conflict, with the same key for each attempt', async () => {
    const sql = "insert into log select :idempotency_key, 'once' from fail_twice()"
    const done = await write({ sql })
    expect([done.status, done.error]).toEqual(['completed', null])
    expect(await logged()).toEqual([expect.stringMatching(/\/0$/)])
    await warehouse.admin.query('delete from log')
  })

  it('what prevents the commit is passed on as it is, and nothing is written', async () => {
    const prevented = new Error('another process has the run')
    const text = "insert into log values ('prevented', '') returning key"
    const open = await makeSqlRunner({ allowPrivateNetwork: [{ kind: 'any' }] })({
      ...{ url: warehouse.urlOf(warehouse.writer), text, written: text, values: [], origin: (at: number) => at },
      ...{ readOnly: false, mayRepeat: false, timeoutSeconds: 60, maxRows: 10, maxBytes: 1_000 },
      beforeCommit: () => Promise.reject(prevented),
    })
    for await (const batch of open.rows) expect(batch).toEqual([['prevented']])
    await expect(open.finish()).rejects.toBe(prevented)
    await open.close()
    expect(await logged()).toEqual([])
  })
})

describe('errors', () => {
  it.each([
    [
      { sql: 'select\n  :customer, oops from orders', parameters: { customer: 1 } },
      /column "oops" does not exist \(42703\) at line 2, column 14/,
    ],
    [{ sql: 'selec 1', read_only: false }, /syntax error at or near "selec" \(42601\) at line 1, column 1/],
    [{ connection: 'env.WRONG', sql: 'select 1' }, /refused the connection: password authentication failed|completed/],
    [{ connection: 'env.NOTHING', sql: 'select 1' }, /has no 'NOTHING'; set it in the collection/],
  ])('%j', async (config, message) => {
    const done = await run(config)
    expect(done.error ?? 'completed').toMatch(message)
  })

  it('an address that is not allowed is refused', async () => {
    for (const connection of ['env.INSIDE', 'env.SELF']) {
      expect((await run({ connection, sql: 'select 1' })).error).toMatch(/private, local or reserved address/)
    }
  })
})

it('a cancelled run cancels its statement at the server', async () => {
  const task = await jetty.task({
    step_configs: { ask: { activity: 'sql', connection: 'env.WAREHOUSE', sql: 'select pg_sleep(500)' } },
    steps: ['ask'],
  })
  const count = async () =>
    (
      await warehouse.admin.query(
        `select from pg_stat_activity where query like '%pg_sleep(500)%' and usename = '${warehouse.reader}'`,
      )
    ).length
  const { trajectory_id: id } = await jetty.start(task)
  while ((await count()) === 0) await pause(20)
  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  const ended = await jetty.until(task, id, (one) => one.ended !== null)
  expect(ended.status).toBe('cancelled')
  while ((await count()) > 0) await pause(20)
})

it('no connection is left open', async () => {
  const open = () =>
    warehouse.admin.query(
      `select from pg_stat_activity where usename in ('${warehouse.reader}', '${warehouse.writer}')`,
    )
  while ((await open()).length > 0) await pause(20)
})

it('a replay asks nobody, and a cached result is used again', async () => {
  const config = {
    connection: 'env.WRITER',
    read_only: false,
    sql: "select nextval('tries')",
    options: { cache: true },
  }
  const first = await run(config)
  const again = await run(config)
  expect(again.steps.ask.origin).toMatchObject({ kind: 'cache' })
  const { task, trajectory_id: id } = first
  const answer = await jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/rerun`, { mode: 'replay' })
  const replayed = await jetty.until(task, answer.body.trajectory_id, (one) => one.ended !== null)
  expect(replayed.steps.ask.outputs).toEqual(first.steps.ask.outputs)
  expect(again.steps.ask.outputs).toEqual(first.steps.ask.outputs)
})

it('a dry check finds what is written wrongly', async () => {
  const check = async (ask: object) => {
    const workflow = { step_configs: { ask: { activity: 'sql', connection: 'env.X', ...ask } }, steps: ['ask'] }
    const { body } = await jetty.call('POST', '/api/v1/workflows/check', { collection: 'acme', workflow })
    return JSON.stringify(body)
  }
  expect(await check({ sql: 'delete from orders' })).toContain('set read_only to false')
  expect(await check({ sql: 'select 1; select 2' })).toContain('more than one statement')
  expect(await check({ sql: "select '{{init_params.x}}'" })).toContain('is not replaced in it')
  expect(await check({ sql: 'select :a', parameters: { b: 1 } })).toContain("has no 'a'")
  expect(await check({ connection: 'postgres://me:literal@db/x', sql: 'select 1' })).toContain(
    'belongs into the environment',
  )
  expect(await check({ query: 'select 1' })).toMatch(/use 'sql'/)
  expect(await check({ sql: 'select :a', parameters: { a_path: 'init_params.a' } })).not.toContain('"severity":"error"')
})

// What nothing needs any more is removed after some days, and nothing that anybody still needs or is about to.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sweepAudit } from '../../../src/store/collections/audit.ts'
import { namedObjects } from '../../../src/store/files/files.ts'
import { keepDefinition, makeDefinitionSweep } from '../../../src/store/tasks/definitions.ts'
import { definitionHash } from '../../../src/store/tasks/tasks.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_ORPHAN_DAYS: '0' } }) // its own looks take nothing from those here
})
afterAll(() => jetty?.close())

const query = <Row = Body>(text: string, values: unknown[] = []) => jetty.server.database.query<Row>(text, values)

describe('workflows that nothing has', () => {
  const days = 7
  let made = 0
  const workflow = () => ({
    init_params: { text: 'x' },
    step_configs: { say: { activity: 'text_echo', text: `said ${++made}` } },
    steps: ['say'],
  })
  const task = async (flow: Body) => {
    const name = await jetty.task(flow)
    const [row] = await query(`select definition from tasks where name = $1`, [name])
    return { name, hash: row.definition as string }
  }
  const isThere = async (hash: string) => (await query('select from definitions where hash = $1', [hash])).length === 1
  const later = (byDays: number) =>
    query(`update definitions set unused_since = unused_since - $1 * interval '1 day' where unused_since is not null`, [
      byDays,
    ])
  /** As many looks as a round has, and one more: it begins anywhere. */
  const look = async (sweep = makeDefinitionSweep(jetty.server.database, { days })) => (await sweep()) + (await sweep())
  const remove = (name: string) => jetty.call('DELETE', `/api/v1/tasks/acme/${name}`)

  test('go after some days; what a task, a version or a run has stays', async () => {
    const [gone, versioned, run] = [await task(workflow()), await task(workflow()), await task(workflow())]
    await jetty.call('PUT', `/api/v1/tasks/acme/${versioned.name}`, { workflow: workflow() })
    const { trajectory_id: id } = await jetty.start(run.name)
    await jetty.until(run.name, id, ({ status }) => status === 'completed')
    await remove(gone.name)
    await remove(run.name)
    expect(await look()).toBe(0)
    await later(days - 1)
    expect(await look()).toBe(0)
    await later(1)
    expect(await look()).toBe(1)
    expect([await isThere(gone.hash), await isThere(versioned.hash), await isThere(run.hash)]).toEqual([
      false,
      true,
      true,
    ])
    const shown = await jetty.get(run.name, id)
    expect(shown.steps.say.outputs.text).toMatch(/^said/)
    const again = await task({ ...workflow(), init_params: { again: true } })
    expect(await isThere(again.hash)).toBe(true)
  })

  test('with a secret struck out stay as long as the run that shows them', async () => {
    const value = 'unmistakable-in-a-workflow'
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { V: value } })
    const { name } = await task({ ...workflow(), init_params: { text: value } })
    const { trajectory_id: id } = await jetty.start(name)
    await jetty.until(name, id, ({ status }) => status === 'completed')
    const [row] = await query('select shown_definition as hash from runs where trajectory_id = $1', [id])
    expect(row.hash).toEqual(expect.any(String))
    await look()
    await later(100)
    await look()
    expect(await isThere(row.hash)).toBe(true)
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { V: null } })
  })

  test('are taken back by whoever is about to use them, while they are being removed too', async () => {
    const flow = workflow()
    const { name, hash } = await task(flow)
    await remove(name)
    await look()
    await later(100)
    const kept = {
      hash,
      workflow: (await query('select workflow from definitions where hash = $1', [hash]))[0].workflow,
    }
    let sweeping: Promise<number> | undefined
    await jetty.server.database.transaction(async (queries) => {
      await keepDefinition(queries, kept)
      sweeping = look() // it passes over what is held
      expect(await sweeping).toBe(0)
    })
    expect(await isThere(hash)).toBe(true)
    await look()
    await later(100)
    const keepers = Array.from({ length: 20 }, () => keepDefinition(jetty.server.database, kept))
    await Promise.all([look(), look(), ...keepers])
    expect(await isThere(hash)).toBe(true)
    const old = `unused_since < now() - interval '1 day'` // a look that comes later marks it anew
    expect(await query(`select from definitions where hash = $1 and ${old}`, [hash])).toEqual([])
    await look()
    await later(100)
    const { name: anew } = await task(flow)
    await Promise.all([look(), look()])
    expect((await jetty.call('GET', `/api/v1/tasks/acme/${anew}`)).body.workflow).toEqual(flow)
  })

  test('are found among many by indexes, page by page', async () => {
    await query(
      `insert into definitions (hash, workflow, unused_since)
       select encode(sha256(n::text::bytea), 'hex'), '{}', now() - interval '8 days' from generate_series(1, 6000) n`,
    )
    const [some] = await query<{ hash: string }>(`select definition as hash from tasks limit 1`)
    await query(
      `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
         status, ended_at)
       select 'many-' || n, lpad(to_hex(n), 8, '0'), 'x--' || n, 0, 0, 'gone/x', $1, '{}', 'me', 'completed', now()
       from generate_series(1, 8000) n`,
      [some?.hash],
    )
    await query('analyze')
    const plans: string[] = []
    const { database } = jetty.server
    const watched: typeof database = {
      ...database,
      async rows<Row>(name: string, text: string, values: unknown[] = []) {
        if (/look_at|remove_def/.test(name)) plans.push(JSON.stringify(await database.query(`explain ${text}`, values)))
        return database.rows<Row>(name, text, values)
      },
    }
    const sweep = makeDefinitionSweep(watched, { days })
    const rounds = [await sweep(), await sweep(), await sweep(), await sweep()]
    expect(Math.max(...rounds)).toBeLessThanOrEqual(5000)
    expect((await query(`select from definitions where workflow = '{}'`)).length).toBe(0)
    expect(plans.length).toBeGreaterThan(8)
    for (const plan of plans) expect(plan).not.toMatch(/Seq Scan on runs/) // of few definitions all are read at once
    expect(await makeDefinitionSweep(jetty.server.database, { days: 0 })()).toBe(0)
    await query(`delete from runs where id like 'many-%'`)
  })

  test('of the ingested and of the gateway are kept by each record', async () => {
    const path = '/api/v1/trajectories/acme/sent/ingest'
    const { body } = await jetty.call('POST', path, { output: 1 })
    const [row] = await query('select definition as hash from runs where trajectory_id = $1', [body.trajectory_id])
    expect(row.hash).toBe(
      definitionHash((await query('select workflow from definitions where hash = $1', [row.hash]))[0].workflow),
    )
    await query('update definitions set unused_since = now() where hash = $1', [row.hash])
    await jetty.call('POST', path, { output: 2 })
    expect((await query('select unused_since from definitions where hash = $1', [row.hash]))[0].unused_since).toBeNull()
  })
})

test('entries of the audit trail go when they are so old, a bounded number at a time, and for ever none', async () => {
  const entries = async () => (await query<{ n: number }>('select count(*)::int n from audit'))[0]?.n ?? -1
  await query('truncate audit')
  await query(
    `insert into audit (at, actor_kind, operation, target, changes, outcome)
     select now() - n * interval '1 hour', 'admin', 'createTask', 'x', '{}', 'done' from generate_series(3000, 1, -1) n`,
  )
  expect(await sweepAudit(jetty.server.database, 0)).toBe(0)
  expect(await entries()).toBe(3000)
  expect(await Promise.all([1, 2].map(() => sweepAudit(jetty.server.database, 50)))).toSatisfy(
    ([one, two]: number[]) => (one ?? 0) + (two ?? 0) === 3000 - 50 * 24 + 1,
  )
  expect(await entries()).toBe(50 * 24 - 1)
  expect(await sweepAudit(jetty.server.database, 50)).toBe(0)
  const [plan] = await query(
    `explain delete from audit where id in (
       select id from (select id, at from audit order by id limit 10) oldest where at < now() - 50 * interval '1 day')`,
  )
  expect(JSON.stringify(plan)).not.toContain('Seq Scan')
})

test('which objects have a name is asked of an index', async () => {
  await query(
    `insert into files (path, collection_id, object, name, content_type, size)
     select 'gone/f/' || n, 0, gen_random_uuid()::text, 'f', 'text/plain', 1 from generate_series(1, 5000) n`,
  )
  await query('analyze files')
  const some = (await query<{ object: string }>('select object from files limit 50')).map(({ object }) => object)
  expect(await namedObjects(jetty.server.database, [...some, 'none'])).toEqual(new Set(some))
  const plan = await query('explain select object from files where object = any($1::text[])', [some])
  expect(JSON.stringify(plan)).not.toContain('Seq Scan')
  await query(`delete from files where path like 'gone/f/%'`)
})

test('the folder of files is noted as that of this database, which keeps its id', async () => {
  const [row] = await query(`select value from server where key = 'installation'`)
  expect(readFileSync(join(jetty.server.dataDir, 'files', 'databases'), 'utf8')).toMatch(
    new RegExp(`^${row.value} 2\\d{3}-\\S+Z \\d+/1/\\d+\\n$`),
  )
})

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { migrate } from '../../../src/store/database/migrate.ts'
import { searchEntities } from '../../../src/store/entities/entities.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { createDatabase, dropDatabase } from '../../database-server.ts'
import { testPostgres } from '../../shared.ts'

/** The disk is full when the indexes of the search are made. */
const whileDiskIsFull = async (admin: Database, tried: () => Promise<void>): Promise<void> => {
  await admin.query(`create function full_disk() returns event_trigger language plpgsql
    as $$ begin
      if current_query() like '%entities_public_text%' then
        raise exception 'the disk is full' using errcode = 'disk_full';
      end if;
    end $$`)
  await admin.query(`create event trigger full_disk on ddl_command_start when tag in ('CREATE INDEX')
    execute function full_disk()`)
  await expect(tried()).rejects.toThrow('the disk is full')
  await admin.query('drop event trigger full_disk')
}

describe('migrate', () => {
  let own: TestDatabase
  let database: Database
  beforeAll(async () => {
    own = await createTestDatabase()
    database = openDatabase(own.url)
  })
  afterAll(async () => {
    await database.close()
    await own.drop()
  })

  const names = async () =>
    (await database.query<{ name: string }>('select name from schema_migrations order by name')).map((row) => row.name)

  it('has nothing to do on a database that is up to date', async () => {
    const before = await names()
    await migrate(database)
    expect(before).toContain('0001_start')
    expect(await names()).toEqual(before)
  })

  it('refuses to make the schema of a backup where later migrations were applied', async () => {
    const older = (await names()).filter((name) => /^\d{4}_/.test(name)).slice(0, -1)
    await expect(migrate(database, { only: older })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('newer than the backup'),
    })
  })

  it('starts on an empty database, many processes at once', async () => {
    const empty = await createTestDatabase()
    const others = Array.from({ length: 4 }, () => openDatabase(empty.url, { connections: 2 }))
    await others[0]?.query('drop schema public cascade')
    await others[0]?.query('create schema public')
    await Promise.all(others.map((other) => migrate(other)))
    expect(await others[1]?.query('select * from collections')).toEqual([])
    await Promise.all(others.map((other) => other.close()))
    await empty.drop()
  })

  it.each([
    ['may', 2],
    ['may not', 0],
  ])(
    'changes rows of an older version once, two servers at once, where the role %s create extensions',
    async (may, indexes) => {
      const before = (await names()).filter((name) => /^\d{4}_/.test(name) && name < '0093')
      const { url: server } = await testPostgres()
      const name = `older_${randomBytes(6).toString('hex')}`
      const password = randomBytes(12).toString('hex')
      await createDatabase(server, name)
      const adminUrl = Object.assign(new URL(server), { pathname: `/${name}` }).href
      const admin = openDatabase(adminUrl, { connections: 1 })
      await admin.query(`create role ${name} login password '${password}'; create schema own authorization ${name};
      alter role ${name} in database ${name} set search_path = own`)
      if (may === 'may') await admin.query(`grant create on database ${name} to ${name}`)
      const url = Object.assign(new URL(adminUrl), { username: name, password }).href
      const [first, second] = [openDatabase(url, { connections: 2 }), openDatabase(url, { connections: 2 })]
      try {
        await migrate(first, { only: before })
        await first.query(`insert into collections (name) values ('acme')`)
        await first.query(`insert into entities (collection_id, kind, name, is_private, long_description, metadata)
        select id, 'dataset', 'd' || n, n = 1, 'harvest ' || n, '{}' from collections, generate_series(1, 2) n`)
        if (may === 'may') await whileDiskIsFull(admin, () => migrate(first))
        await Promise.all([migrate(first), migrate(second)])
        const found = await searchEntities(
          second,
          { kind: 'dataset', collectionIds: undefined },
          { text: 'harvest', limit: 9 },
        )
        expect(found.map((one) => one.name).sort()).toEqual(['d1', 'd2'])
        const made = await first.query(`select from pg_indexes where indexname ~ '^entities_(public|private)_text$'`)
        expect(made).toHaveLength(indexes)
        expect(await first.query('select * from run_products')).toEqual([])
      } finally {
        await first.close()
        await second.close()
        await admin.close()
        await dropDatabase(server, name)
        const last = openDatabase(server, { connections: 1 })
        await last.query(`drop role ${name}`)
        await last.close()
      }
    },
  )

  it('notes what the runs of an older version cost, so that lists can be sorted by it', async () => {
    const before = (await names()).filter((name) => /^\d{4}_/.test(name) && name < '0175')
    const { url: server } = await testPostgres()
    const name = `older_${randomBytes(6).toString('hex')}`
    await createDatabase(server, name)
    const older = openDatabase(Object.assign(new URL(server), { pathname: `/${name}` }).href, { connections: 2 })
    try {
      await migrate(older, { only: before })
      await older.query(`insert into collections (name) values ('acme')`)
      await older.query(`insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition,
          init_params, author, status, created_at, started_at, ended_at)
        select id, id, id, 1, 1, 'acme/t', 'none', '{}', 'a', 'completed', now(), now(),
          case when id <> 'open' then now() end
        from unnest('{stepped,open,called,large,free,quiet}'::text[]) id`)
      await older.query(`insert into run_spending (run_id, usd) values ('stepped', 0.25), ('open', 0.5)`)
      await older.query(
        `insert into payloads (id, run_id, body) values ('p', 'large', '{"text":"…","cost_usd":1.2e-7}')`,
      )
      await older.query(`insert into steps (run_id, seq, name, status, attempt, epoch, outputs, outputs_payload, started_at) values
        ('called', 0, 'completion', 'completed', 1, 0, '{"text":"say \\"cost_usd\\":9","cost_usd":0.0021,"usage":null}', null, now()),
        ('large', 0, 'completion', 'completed', 1, 0, null, 'p', now()),
        ('free', 0, 'completion', 'completed', 1, 0, '{"cost_usd":0}', null, now()),
        ('quiet', 0, 'completion', 'completed', 1, 0, '{"cost_usd":null}', null, now())`)
      await older.query(`insert into bulk_actions (id, collection_id, action, change, position, author, recorded_by)
        values ('bulk-1', 1, 'cancel', '{}', '{"createdMicros":"17","number":3}', 'a', 'a')`)
      await migrate(older)
      const costs = await older.query<{ id: string; cost_usd: number | null }>('select id, cost_usd from runs')
      expect(Object.fromEntries(costs.map((run) => [run.id, run.cost_usd]))).toEqual({
        ...{ stepped: 0.25, open: null, called: 0.0021, large: 1.2e-7, free: 0, quiet: null },
      })
      expect(await older.query('select position from bulk_actions')).toEqual([
        { position: '{"place":"17","number":3}' },
      ])
    } finally {
      await older.close()
      await dropDatabase(server, name)
    }
  })

  it('refuses a database that a newer version has changed', async () => {
    await database.query("insert into schema_migrations (name) values ('9999_future')")
    await expect(migrate(database)).rejects.toThrow('newer Jetty: it has 9999_future')
  })
})

/// <reference types="vite/client" />
// Every declared statement, described by PostgreSQL over the migrated schema: its tables and columns exist, and it returns what it
// declares. Nothing is executed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Statement, statements } from '../../../src/store/database/table.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

const modules = import.meta.glob(['../../../src/**/*.ts', '!**/*.test.ts'])
const declares = /from '[./\w-]*\/table\.ts'/
const declaring = Object.keys(modules).filter((path) =>
  declares.test(readFileSync(join(import.meta.dirname, path), 'utf8')),
)

let database: TestDatabase
let client: pg.Client
beforeAll(async () => {
  for (const path of declaring) await modules[path]?.()
  database = await createTestDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
})
afterAll(async () => {
  await client?.end()
  await database?.drop()
})

interface Described {
  name: string
  typeId: number
}

/** Asks PostgreSQL to plan a statement, and for the names and types of what it returns. */
const describeStatement = ({ name, text }: Statement): Promise<Described[]> =>
  new Promise((resolve, reject) => {
    let fields: Described[] = []
    client.query({
      submit(connection: pg.Connection & Record<'parse' | 'describe', (message: object, more?: boolean) => void>) {
        connection.parse({ name, text, types: [] })
        connection.describe({ type: 'S', name })
        connection.sync()
      },
      handleRowDescription(message: { fields: { name: string; dataTypeID: number }[] }) {
        fields = message.fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID }))
      },
      handleError: reject,
      handleReadyForQuery: () => resolve(fields),
    } as unknown as pg.Submittable)
  })

test('every statement returns what it declares', async () => {
  const { rows } = await client.query<{ oid: number; typname: string }>('select oid::int, typname from pg_type')
  const nameOf = new Map(rows.map(({ oid, typname }) => [oid, typname]))
  const faults: string[] = []
  for (const statement of statements) {
    const declared = Object.entries(statement.row).map(([name, { type }]) => `${name} ${type}`)
    try {
      const found = (await describeStatement(statement)).map(({ name, typeId }) => `${name} ${nameOf.get(typeId)}`)
      const differing = found.filter((one) => !declared.includes(one))
      const missing = declared.filter((one) => !found.includes(one))
      if (declared.length > 0 && differing.length + missing.length > 0)
        faults.push(`${statement.name} declares ${missing.join(', ')}; it returns ${differing.join(', ')}`)
    } catch (error) {
      faults.push(`${statement.name}: ${(error as Error).message}`)
    }
  }
  expect(faults).toEqual([])
  expect(statements.length).toBeGreaterThan(10)
})

test('names of statements are unique: a connection prepares each name once', () => {
  const names = statements.map(({ name }) => name)
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
})

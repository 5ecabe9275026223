import { randomBytes } from 'node:crypto'
import { type Database, openDatabase } from '../src/store/database/database.ts'
import { createTestDatabase, overTcp } from './database.ts'

/** A database outside of the server, with roles that are no superusers. */
export interface Warehouse {
  /** Connection of the superuser, to look at what was done. */
  admin: Database
  /** Connection URL of the superuser. */
  ownerUrl: string
  host: string
  reader: string
  writer: string
  password: string
  /** Connection URL of a role. */
  urlOf(role: string, password?: string): string
  close(): Promise<void>
}

/** Makes a database with the table `orders`, which both roles may read and write; a transaction decides whether they can. */
export const openWarehouse = async (): Promise<Warehouse> => {
  const { url: socketUrl, drop } = await createTestDatabase()
  const url = overTcp(socketUrl)
  const admin = openDatabase(url, { connections: 2 })
  const suffix = randomBytes(4).toString('hex')
  const password = `pass word/${suffix}-unmistakable`
  const roles = [`reader_${suffix}`, `writer_${suffix}`] as const
  const { hostname, port, pathname } = new URL(url)
  const host = `${hostname}:${port || 5432}`
  await admin.query(`create table orders (id int primary key, customer text, total numeric, placed timestamptz)`)
  await admin.query(
    `insert into orders values (1, 'ada', 19.90, '2026-01-01T00:00:00Z'), (2, 'bob', 5, null), (3, 'ada', 7.25, null)`,
  )
  for (const role of roles) {
    await admin.query(`create role ${role} login password '${password}'`)
    await admin.query(`grant usage on schema public to ${role}`)
    await admin.query(`grant all on orders to ${role}`)
  }
  return {
    ...{ admin, host, password, reader: roles[0], writer: roles[1] },
    ownerUrl: url,
    urlOf: (role, secret = password) =>
      `postgres://${role}:${encodeURIComponent(secret)}@${host}${pathname}?sslmode=disable`,
    async close() {
      for (const role of roles) {
        await admin.query(`drop owned by ${role}`)
        await admin.query(`drop role ${role}`)
      }
      await admin.close()
      await drop()
    },
  }
}

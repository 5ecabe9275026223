import { connect, type Socket } from 'node:net'
import { pause } from '../src/lib/time.ts'
import { type Database, openDatabase } from '../src/store/database/database.ts'

const attempts = 20

/** 55006: another file is cloning the template right now. Away: whoever stood still for five seconds takes it to be so. */
const isPassing = (error: unknown): boolean =>
  ['55006', 'database_unavailable'].includes((error as { code?: string }).code ?? '')

/** Does something in a database, again where it could not be reached: all of it must do no harm a second time. */
const inReach = async (database: Database, work: (database: Database) => Promise<unknown>): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      await work(database)
      return
    } catch (error) {
      if (!isPassing(error) || attempt === attempts) throw error
      await pause(100)
    }
  }
}

/** The same over a connection that is closed afterwards. */
export const inDatabase = async (url: string, work: (database: Database) => Promise<unknown>): Promise<void> => {
  const database = openDatabase(url, { connections: 1 })
  try {
    await inReach(database, work)
  } finally {
    await database.close()
  }
}

/** Opens a socket to the Postgres of a URL, whose host may be the folder of a Unix socket. */
export const dialPostgres = (url: string): Socket => {
  const { hostname, port } = new URL(url)
  const host = decodeURIComponent(hostname)
  return host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(Number(port), host)
}

/** The URL for whoever cannot open the Unix socket, such as a container. */
export const overTcp = (url: string): string => {
  const { hostname } = new URL(url)
  return decodeURIComponent(hostname).startsWith('/') ? url.replace(`@${hostname}:`, '@127.0.0.1:') : url
}

/** A server that databases are made on: its URL, or an open connection to it. */
type DatabaseServer = string | Database

const onServer = (server: DatabaseServer, work: (database: Database) => Promise<unknown>): Promise<void> =>
  typeof server === 'string' ? inDatabase(server, work) : inReach(server, work)

export const dropDatabase = (server: DatabaseServer, name: string): Promise<void> =>
  onServer(server, (database) => database.query(`drop database if exists ${name} with (force)`))

/** An empty one, or a copy of `template`. */
export const createDatabase = (server: DatabaseServer, name: string, template?: string): Promise<void> => {
  let isAgain = false
  // The files are copied: to write all pages to the log takes twice as long.
  const like = template ? ` template ${template} strategy file_copy` : ''
  return onServer(server, async (database) => {
    if (isAgain) await database.query(`drop database if exists ${name} with (force)`) // it was made, and nobody was told
    isAgain = true
    await database.query(`create database ${name}${like}`)
  })
}

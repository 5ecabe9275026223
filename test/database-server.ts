import { type Database, openDatabase } from '../src/database/database.ts'
import { pause } from '../src/lib/time.ts'

const attempts = 20

/** 55006: another file is cloning the template right now. Away: whoever stood still for five seconds takes it to be so. */
const isPassing = (error: unknown): boolean =>
  ['55006', 'database_unavailable'].includes((error as { code?: string }).code ?? '')

/** Does something in a database, again where it could not be reached: all of it must do no harm a second time. */
export const inDatabase = async (url: string, work: (database: Database) => Promise<unknown>): Promise<void> => {
  const database = openDatabase(url, { connections: 1 })
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await work(database)
        return
      } catch (error) {
        if (!isPassing(error) || attempt === attempts) throw error
        await pause(100)
      }
    }
  } finally {
    await database.close()
  }
}

export const dropDatabase = (url: string, name: string): Promise<void> =>
  inDatabase(url, (server) => server.query(`drop database if exists ${name} with (force)`))

/** An empty one, or a copy of `template`. */
export const createDatabase = (url: string, name: string, template?: string): Promise<void> => {
  let isAgain = false
  return inDatabase(url, async (server) => {
    if (isAgain) await server.query(`drop database if exists ${name} with (force)`) // it was made, and nobody was told
    isAgain = true
    await server.query(`create database ${name}${template ? ` template ${template}` : ''}`)
  })
}

import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { inject } from 'vitest'

/** A server to make databases on. */
export interface TestPostgres {
  url: string
  /** Name of the migrated database to clone. */
  template: string
  /** Name of one in which a server has started before: the next one makes no demo collection and executes no first run. */
  startedTemplate: string
}

/** What all test files of a run share. */
export interface SharedThings {
  postgres: TestPostgres
  built: string
}

const ask = <Name extends keyof SharedThings>(name: Name): Promise<SharedThings[Name]> =>
  new Promise((resolve, reject) => {
    get(`${inject('shared')}/${name}`, async (response) => {
      const said = await text(response)
      if (response.statusCode === 200) resolve(JSON.parse(said))
      else reject(new Error(`The ${name} of this test run could not be had: ${said}`))
    }).once('error', reject)
  })

/** The Postgres of this test run, started by the first file that needs one. */
export const testPostgres = (): Promise<TestPostgres> => ask('postgres')

/** The built command line (`dist/bin.js`), built for the first file that needs it where it is not up to date. */
export const builtProgram = (): Promise<string> => ask('built')

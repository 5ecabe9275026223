import { version } from '../lib/version.ts'
import { type Client, type Connection, makeCaller, makeClient } from './client.ts'
import { loadOperations } from './load-operations.ts'

export type { Client, Connection } from './client.ts'

/**
 * Makes a typed client of a server: a function for each operation of its API. Errors are thrown with the `code` and `hint`
 * of the server.
 *
 * @example
 * const jetty = await createClient({ url: 'http://localhost:7070', token: process.env.JETTY_API_TOKEN })
 * const run = await jetty.runTask({ params: { collection: 'demo', task: 'hello' }, body: { init_params: { name: 'moon' } } })
 */
export const createClient = async (connection: Connection): Promise<Client> => {
  const operations = await loadOperations()
  return makeClient(operations, makeCaller(operations, { agent: `jetty-client/${version}`, ...connection }))
}

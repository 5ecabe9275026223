import type { Child } from '../lib/children.ts'
import type { JettyServer } from '../lib/server.ts'
import type { Stage } from '../lib/stage.ts'
import { upstreamKey } from './calls.ts'
import type { StreamTarget } from './streams-process.ts'

export const chatPath = '/v1/chat/completions'

/** The upstream, and a server before it. */
export interface GatewayServer {
  upstream: Child
  /** Of the upstream. */
  origin: string
  server: JettyServer
  /** A recorded call of the server. */
  target: StreamTarget
}

/** A collection with the key of the upstream, and a key of ours to call it with. */
const collectionKey = async (server: JettyServer): Promise<string> => {
  await server.call('POST', '/api/v1/collections', { name: 'bench' })
  await server.call('PATCH', '/api/v1/collections/bench/environment', {
    environment_variables: { OPENAI_API_KEY: upstreamKey },
  })
  return server.key('bench')
}

/** How many calls are on record. */
export const recordsOf = async (server: JettyServer): Promise<number> => {
  const { text } = await server.call('GET', '/api/v1/db/trajectories/bench/_chat?limit=1')
  return (JSON.parse(text) as { total: number }).total
}

export const startGatewayServer = async (
  { child, jetty, createDatabase }: Stage,
  { database = 'gateway', node = process.execPath, more = {} as Record<string, string> } = {},
): Promise<GatewayServer> => {
  const upstream = await child('../gateway/upstream-process.ts')
  const origin = `http://127.0.0.1:${await upstream.ask<number>('port')}`
  const environment = { DATABASE_URL: await createDatabase(database), OPENAI_BASE_URL: `${origin}/v1`, ...more }
  const server = await jetty({ environment, node })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${await collectionKey(server)}` }
  return { upstream, origin, server, target: { url: server.url + chatPath, headers } }
}

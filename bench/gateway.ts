/**
 * What the gateway adds to a call of a model, recording and not, against the upstream itself and Portkey's gateway: all
 * in turns, the gateway that is measured alone on one core. `--quick` is one round.
 */

import { upstreamKey } from './gateway/calls.ts'
import { gatewayCpu, otherCpu, pin } from './gateway/cpus.ts'
import { measure, type Target, type Tools } from './gateway/measure.ts'
import { startPortkey } from './gateway/portkey.ts'
import { type Measured, type Name, reportOn } from './gateway/results.ts'
import { residentMb } from './lib/processes.ts'
import type { JettyServer } from './lib/server.ts'
import { stage } from './lib/stage.ts'

const quick = process.argv.includes('--quick')
const rounds = quick ? 1 : 5
const longestSeconds = 480

const path = '/v1/chat/completions'
const json = { 'content-type': 'application/json' }

/** A collection with the key of the upstream, and a key of ours to call it with. */
const collectionKey = async (server: JettyServer): Promise<string> => {
  await server.call('POST', '/api/v1/collections', { name: 'bench' })
  await server.call('PATCH', '/api/v1/collections/bench/environment', {
    environment_variables: { OPENAI_API_KEY: upstreamKey },
  })
  return server.key('bench')
}

/** How many calls are on record. */
const recordsOf = async (server: JettyServer): Promise<number> => {
  const { text } = await server.call('GET', '/api/v1/db/trajectories/bench/_chat?limit=1')
  return (JSON.parse(text) as { total: number }).total
}

await stage(
  'gateway',
  async ({ report, jetty, child, createDatabase, postgres, makeFolder, watch }) => {
    pin(process.pid, otherCpu) // and whatever it starts: upstream, clients, PostgreSQL
    const upstream = await child('../gateway/upstream-process.ts')
    const origin = `http://127.0.0.1:${await upstream.ask<number>('port')}`
    const reader = await child('../gateway/streams-process.ts')
    const environment = { DATABASE_URL: await createDatabase('gateway'), OPENAI_BASE_URL: `${origin}/v1` }
    const server = await jetty({ environment })
    const portkey = await startPortkey(makeFolder(), watch)
    for (const pid of [server.pid, portkey.pid]) pin(pid, gatewayCpu)

    const ours = { url: server.url + path, pid: server.pid }
    const authorization = `Bearer ${await collectionKey(server)}`
    const headers = { ...json, authorization: `Bearer ${upstreamKey}` }
    const routing = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${origin}/v1` }
    const targets: Record<Name, Target> = {
      direct: { name: 'direct', url: origin + path, headers },
      jetty: { name: 'jetty', ...ours, headers: { ...json, authorization }, records: true },
      unrecorded: {
        name: 'jetty, not recording',
        ...ours,
        headers: { ...json, authorization, 'x-jetty-record': 'off' },
      },
      portkey: {
        name: portkey.name,
        url: portkey.url + path,
        pid: portkey.pid,
        headers: { ...headers, ...routing },
      },
    }
    const tools: Tools = { folder: makeFolder(), reader, postgresPid: (await postgres()).pid }
    const measured: Measured = { direct: [], jetty: [], unrecorded: [], portkey: [] }
    const names = Object.keys(targets) as Name[]
    for (let round = -1; round < rounds; round++) {
      const order = round % 2 === 0 ? names : names.toReversed()
      for (const name of order) {
        const found = await measure(targets[name], tools)
        if (round >= 0) measured[name].push(found) // the first one warms up
      }
    }
    const titles = Object.fromEntries(names.map((name) => [name, targets[name].name])) as Record<Name, string>
    reportOn(report, titles, measured)
    report.table('memory after all of it', [
      ['', 'MB'],
      ['jetty', residentMb(server.pid)],
      [portkey.name, residentMb(portkey.pid)],
    ])
    report.note(`${await recordsOf(server)} calls are on record`)
  },
  { longestSeconds },
)

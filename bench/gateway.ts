/**
 * What the gateway adds to a call of a model, recording and not, against the upstream itself and Portkey's gateway: all
 * in turns, the gateway that is measured alone on one core. `--quick` is two rounds.
 */

import { upstreamKey } from './gateway/calls.ts'
import { gatewayCpu, otherCpu, pin } from './gateway/cpus.ts'
import { commitMs } from './gateway/floor.ts'
import { measure, type Target, type Tools } from './gateway/measure.ts'
import { startPortkey } from './gateway/portkey.ts'
import { type Measured, type Name, reportOn } from './gateway/results.ts'
import { chatPath, recordsOf, startGatewayServer } from './gateway/server.ts'
import { residentMb } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const rounds = isQuick ? 2 : 5
const longestSeconds = 480

await stage(
  'gateway',
  async (stage) => {
    const { report, child, postgres, createDatabase, makeFolder, watch } = stage
    pin(process.pid, otherCpu) // and whatever it starts: upstream, clients, PostgreSQL
    const { origin, server, target } = await startGatewayServer(stage)
    const reader = await child('../gateway/streams-process.ts')
    const portkey = await startPortkey(makeFolder(), watch)
    for (const { pid } of [server, portkey]) pin(pid, gatewayCpu)

    const { pid } = server
    const direct = { ...target.headers, authorization: `Bearer ${upstreamKey}` }
    const routing = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${origin}/v1` }
    const targets: Record<Name, Target> = {
      direct: { name: 'direct', url: origin + chatPath, headers: direct },
      jetty: { name: 'jetty', ...target, pid, records: true, settled: () => recordsOf(server) },
      unrecorded: {
        name: 'jetty, not recording',
        ...target,
        pid,
        headers: { ...target.headers, 'x-jetty-record': 'off' },
      },
      portkey: {
        name: portkey.name,
        url: portkey.url + chatPath,
        pid: portkey.pid,
        headers: { ...direct, ...routing },
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
    reportOn(report, titles, measured, await commitMs(await createDatabase('floor')))
    report.table('memory after all of it', [
      ['', 'MB'],
      ['jetty', residentMb(server.pid)],
      [portkey.name, residentMb(portkey.pid)],
    ])
    report.note(`${await recordsOf(server)} calls are on record`)
  },
  { longestSeconds, needed: ['wrk', 'taskset'] },
)

import { randomBytes } from 'node:crypto'
import { openDatabase } from '../../../src/store/database/database.ts'
import { testPostgres } from '../../shared.ts'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { starts, tell, untilAllEnded } from '../harness/storm.ts'

/** Several processes start at the same moment on one empty database: all come up, and all work. */
export const startTogether = async ({ processes }: { processes: number }): Promise<string[]> => {
  const random = seeded('start together')
  const name = `together_${randomBytes(6).toString('hex')}`
  const postgres = await testPostgres()
  const server = openDatabase(postgres.url, { connections: 1 })
  await server.query(`create database ${name}`)
  const url = new URL(postgres.url)
  url.pathname = `/${name}`
  const site = makeSite(url.href)
  const client = makeClient()
  try {
    const begun = Date.now()
    const servers = Array.from({ length: processes }, () => site.spawn())
    const urls = await Promise.all(servers.map((one) => one.ready))
    const upMs = Date.now() - begun
    await client.setUp(urls[0] ?? '', { chain: chain(3, { from: 5, to: 20 }) })
    await Promise.all(urls.map((one) => client.startMany(one, 'chain', starts(random, 20), 8)))
    await untilAllEnded(site)
    const report = await check(site, { acked: client.acked, lengths: { chain: 3 }, lost: new Set() })
    const working = new Set(site.traces('effects').map((effect) => effect.pid)).size
    tell('start together', report, { processes, upMs, working })
    const faults = [...report.violations]
    if (working !== processes) faults.push(`${working} of ${processes} processes executed steps`)
    if (client.acked.length !== 20 * processes) faults.push(`only ${client.acked.length} runs were taken`)
    return faults
  } finally {
    await site.close()
    await server.query(`drop database if exists ${name} with (force)`)
    await server.close()
  }
}

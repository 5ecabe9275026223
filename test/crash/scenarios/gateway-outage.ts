import { readFileSync } from 'node:fs'
import { pause } from '../../../src/lib/time.ts'
import { startFakeOpenAi } from '../../fakes/openai.ts'
import { openFrailDatabase } from '../../frail-database.ts'
import { makeClient } from '../harness/client.ts'
import { loadGateway } from '../harness/gateway-load.ts'
import { wrongRecords } from '../harness/recorded-calls.ts'
import { makeSite } from '../harness/site.ts'
import { until } from '../harness/storm.ts'

const collection = 'calls'

/** For so many seconds a key is let in that was seen before; on a slow machine the first call may take some. */
const longestSilence = 40

const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024

/**
 * Takes the database away under calls, by a cut or a freeze: calls go on, say that they are recorded in a file, and are
 * all there once the database is back; memory stays as it was.
 */
export const gatewayOutage = async (options: {
  databaseUrl: string
  how: 'cut' | 'freeze'
  seconds: number
  clients: number
  pauseMs?: number
}): Promise<string[]> => {
  const { how, seconds, clients, pauseMs } = options
  const fake = await startFakeOpenAi()
  const frail = await openFrailDatabase(options.databaseUrl)
  const site = makeSite(options.databaseUrl)
  const client = makeClient()
  const wrong: string[] = []
  try {
    const server = site.spawn({ OPENAI_BASE_URL: fake.url, DATABASE_URL: frail.url })
    const url = await server.ready
    await client.call(url, 'POST', '/collections', { name: collection })
    const variables = { environment_variables: { OPENAI_API_KEY: 'sk-crash-tests' } }
    await client.call(url, 'PATCH', `/collections/${collection}/environment`, variables)
    const load = loadGateway(() => url, { clients, collection, pauseMs })
    await Promise.all([pause(3_000), until('calls', () => load.complete.length > 10 * clients)]) // warm
    const before = load.complete.length
    const memory = [residentMb(server.pid)]
    frail[how]()
    const spilled = () => load.complete.filter(({ record }) => record === 'spilled').length
    for (let second = 0; second < seconds || (spilled() === 0 && second < longestSilence); second++) {
      await pause(1_000)
      memory.push(residentMb(server.pid))
      fake.asked.length = 0
    }
    const during = load.complete.length - before
    frail.heal()
    await pause(2_000)
    await load.stop()
    const { complete, others } = load
    await until('all records', async () => (await wrongRecords(site, complete)).length === 0).catch(() => {})
    const rise = Math.max(...memory) - (memory[0] ?? 0)
    const counts = { before, during, spilled: spilled(), others: Object.fromEntries(others), riseMb: Math.round(rise) }
    console.log(`gateway outage (${how}, ${seconds} s):`, JSON.stringify(counts))
    if (spilled() === 0) wrong.push('no call said that it was recorded in a file')
    if (rise > 200) wrong.push(`resident memory rose by ${rise} MB`)
    return [...wrong, ...(await wrongRecords(site, complete))]
  } finally {
    await site.close()
    await frail.close()
    await fake.close()
  }
}

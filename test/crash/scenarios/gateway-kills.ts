import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import type { CallLogMode } from '../../../src/model/gateway/recorded-call.ts'
import { startFakeOpenAi } from '../../fakes/openai.ts'
import { makeClient } from '../harness/client.ts'
import { loadGateway } from '../harness/gateway-load.ts'
import { type LossyDisk, makeLossyDisk } from '../harness/lossy-disk.ts'
import { seeded } from '../harness/random.ts'
import { wrongRecords } from '../harness/recorded-calls.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { until } from '../harness/storm.ts'

const collection = 'calls'

/**
 * What is killed: `server`, and every second time Postgres a moment before; `both` in one moment, with every process of
 * Postgres; `power`: both, and whatever their disk was not told to sync.
 */
type Victim = 'server' | 'both' | 'power'

const killBoth = (site: Site, server: ServerProcess, round: number): Promise<void> => {
  const postgres = site.stoppedPostgres()
  for (const pid of round % 2 === 0 ? [...postgres, server.pid] : [server.pid, ...postgres])
    process.kill(pid, 'SIGKILL')
  return server.kill()
}

/** Every second time Postgres is away a moment before: then the calls are nowhere but in files. */
const killWith = (site: Site, victim: Victim, disk: LossyDisk | undefined) => ({
  away: (round: number) => victim !== 'both' && round % 2 === 1 && site.killPostgres(),
  async kill(server: ServerProcess, round: number): Promise<void> {
    if (disk) {
      disk.cutPower([server.pid, ...site.stoppedPostgres()])
      await server.exited
      await disk.restore()
    } else if (victim === 'both') await killBoth(site, server, round)
    else await server.kill()
  },
})

const waiting = (site: Site): string[] => {
  const folder = join(site.dataDir, 'spill')
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.calls')) : []
}

/** Kills the server under calls: whatever a client saw complete is on record. */
export const gatewayKills = async (options: {
  rounds: number
  clients: number
  mode: CallLogMode
  victim?: Victim
  pauseMs?: number
}): Promise<string[]> => {
  const { rounds, clients, mode, victim = 'server', pauseMs } = options
  const name = `gateway kills (${mode}, ${victim})`
  const random = seeded(name)
  const disk = victim === 'power' ? makeLossyDisk() : undefined
  const fake = await startFakeOpenAi()
  const site = makeSite(undefined, disk && { disk: disk.folder })
  const { away, kill } = killWith(site, victim, disk)
  const env = { OPENAI_BASE_URL: fake.url, JETTY_CALL_LOG: mode }
  const client = makeClient()
  try {
    let server = site.spawn(env)
    let url = await server.ready
    await client.call(url, 'POST', '/collections', { name: collection })
    const variables = { environment_variables: { OPENAI_API_KEY: 'sk-crash-tests' } }
    await client.call(url, 'PATCH', `/collections/${collection}/environment`, variables)
    const load = loadGateway(() => url, { clients, collection, pauseMs })
    for (let round = 0; round < rounds; round++) {
      const before = load.complete.length
      while (load.complete.length < before + clients) await pause(10)
      away(round)
      await pause(random.between(0, 400))
      await kill(server, round)
      fake.asked.length = 0
      server = site.spawn(env)
      url = await server.ready
    }
    await pause(500)
    await load.stop()
    await server.stop() // what was spilled by the last process but one was replayed as it began
    const last = site.spawn(env)
    await last.ready
    const { complete, others } = load
    await until('all calls from files', () => waiting(site).length === 0).catch(() => {})
    const spilled = complete.filter(({ record }) => record === 'spilled').length
    const wrong = await wrongRecords(site, complete)
    const counts = { complete: complete.length, spilled, others: Object.fromEntries(others), wrong: wrong.length }
    console.log(`${name}:`, JSON.stringify(counts))
    return [...wrong, ...(complete.length < rounds * clients ? ['too few calls'] : [])]
  } finally {
    await site.close()
    disk?.remove()
    await fake.close()
  }
}

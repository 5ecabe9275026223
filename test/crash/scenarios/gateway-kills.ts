import { pause } from '../../../src/lib/time.ts'
import type { CallLogMode } from '../../../src/model/gateway/recorded-call.ts'
import { startFakeOpenAi } from '../../fakes/openai.ts'
import { makeClient } from '../harness/client.ts'
import { loadGateway } from '../harness/gateway-load.ts'
import { seeded } from '../harness/random.ts'
import { wrongRecords } from '../harness/recorded-calls.ts'
import { makeSite } from '../harness/site.ts'
import { until } from '../harness/storm.ts'

const collection = 'calls'

/** Kills the server under calls, every second time Postgres too: whatever a client saw complete is on record. */
export const gatewayKills = async (options: {
  rounds: number
  clients: number
  mode: CallLogMode
}): Promise<string[]> => {
  const { rounds, clients, mode } = options
  const name = `gateway kills (${mode})`
  const random = seeded(name)
  const fake = await startFakeOpenAi()
  const site = makeSite()
  const env = { OPENAI_BASE_URL: fake.url, JETTY_CALL_LOG: mode }
  const client = makeClient()
  try {
    let server = site.spawn(env)
    let url = await server.ready
    await client.call(url, 'POST', '/collections', { name: collection })
    const variables = { environment_variables: { OPENAI_API_KEY: 'sk-crash-tests' } }
    await client.call(url, 'PATCH', `/collections/${collection}/environment`, variables)
    const load = loadGateway(() => url, { clients, collection })
    for (let round = 0; round < rounds; round++) {
      const before = load.complete.length
      while (load.complete.length < before + clients) await pause(10)
      if (round % 2 === 1) site.killPostgres()
      await pause(random.between(0, 400))
      await server.kill()
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
    await until('all records', async () => (await wrongRecords(site, complete)).length === 0).catch(() => {})
    const spilled = complete.filter(({ record }) => record === 'spilled').length
    const counts = { complete: complete.length, spilled, others: Object.fromEntries(others) }
    console.log(`${name}:`, JSON.stringify(counts))
    return [...(await wrongRecords(site, complete)), ...(complete.length < rounds * clients ? ['too few calls'] : [])]
  } finally {
    await site.close()
    await fake.close()
  }
}

import { createTestDatabase } from '../../database.ts'
import { type BatchMoment, startFakeBatchProvider } from '../../fakes/batch-provider.ts'
import { collection, makeClient } from '../harness/client.ts'
import { makeSite } from '../harness/site.ts'
import { until, untilAllEnded } from '../harness/storm.ts'

/** 1,000 and 100 tokens at the prices of gpt-4o: 2.5 and 10 dollars a million. */
const fullPrice = (1000 * 2.5 + 100 * 10) / 1e6

/** SQL condition: a run is that of an item, and has its result. */
const isJudged = `status = 'completed' and parent_id is not null`

/**
 * Judges items through provider batches, and kills the server while they are collected, at each moment after the provider
 * has acted and before it answers, and before the last results are stored. Every item is submitted once, and the bill is
 * that of batches. Returns what is wrong.
 */
export const providerBatchKills = async ({
  items,
  moments,
}: {
  items: number
  moments: readonly BatchMoment[]
}): Promise<string[]> => {
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const provider = await startFakeBatchProvider()
  provider.decide(() => ({ say: '{"label": "yes", "explanation": "so"}' }))
  const env = {
    OPENAI_BASE_URL: provider.url,
    JETTY_ECONOMY_COLLECT_SECONDS: '5',
    JETTY_ECONOMY_POLL_SECONDS: '0.2',
  }
  const spawn = () => site.spawn({ ...env, JETTY_ROLE: 'worker' })
  let worker = spawn()
  let kills = 0
  const kill = async () => {
    kills++
    await worker.kill()
    worker = spawn()
  }
  try {
    const url = await site.spawn({ ...env, JETTY_ROLE: 'api' }).ready
    const judge = {
      activity: 'simple_judge',
      item_path: 'init_params.text',
      instruction: 'Is it a text?',
      judge_type: 'binary',
      model: 'gpt-4o',
    }
    const workflow = { init_params: { text: '' }, steps: ['judge'], step_configs: { judge } }
    await client.setUp(url, { judge: workflow })
    const environment_variables = { OPENAI_API_KEY: 'sk-kills' }
    await client.call(url, 'PATCH', `/collections/${collection}/environment`, { environment_variables })
    const left = new Set(moments)
    provider.at(async (moment) => {
      if (!left.delete(moment)) return undefined
      await kill()
      return 'lost'
    })
    const texts = Array.from({ length: items }, (_, index) => ({ text: `Text number ${index} of many` }))
    await client.call(url, 'POST', `/run-batch/${collection}/judge`, {
      items: texts,
      economy: 'batch',
      max_concurrency: 50,
    })
    const count = async (where: string) =>
      (await site.rows<{ n: number }>(`select count(*)::int as n from ${where}`))[0]?.n ?? 0
    await until('some calls are collected', async () => (await count('batched_calls')) >= items / 4)
    await kill()
    await until('few items are left', async () => (await count(`runs where ${isJudged}`)) >= items * 0.95, 900_000, 50)
    await kill()
    await untilAllEnded(site, 600_000)
    const completed = await count(`runs where ${isJudged}`)
    const spent = (await site.rows<{ usd: number }>('select sum(usd)::float8 as usd from spending'))[0]?.usd ?? 0
    const sent = provider.submitted().map(({ body }) => JSON.stringify(body.messages))
    const share = spent / (items * fullPrice)
    const figures = { items, kills, batches: provider.batches.length, submitted: sent.length, share }
    console.log('provider batches:', JSON.stringify(figures))
    return [
      ...(completed === items ? [] : [`${completed} of ${items} runs completed`]),
      ...(new Set(sent).size === items ? [] : [`${new Set(sent).size} of ${items} items were submitted`]),
      ...(sent.length === new Set(sent).size ? [] : [`${sent.length - new Set(sent).size} items were submitted twice`]),
      ...(provider.calls.length === 0 ? [] : [`${provider.calls.length} calls were sent at once`]),
      ...(Math.abs(share - 0.5) < 0.001 ? [] : [`the bill is ${share} of the full one`]),
      ...(kills === moments.length + 2 ? [] : [`${kills} kills`]),
    ]
  } finally {
    provider.at(undefined)
    await site.close()
    await provider.close()
    await database.drop()
  }
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../../src/lib/time.ts'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { startFakeOpenAi } from '../../fakes/openai.ts'
import { collection, makeClient } from '../harness/client.ts'
import { makeSite } from '../harness/site.ts'
import { untilAllEnded } from '../harness/storm.ts'

const lent = 'sk-lent-unmistakable-crash-90d3'
const limit = 10

const asker: Workflow = {
  init_params: {},
  step_configs: {
    work: { activity: 'effect', value_path: 'init_params.start', from: 200, to: 500 },
    ask: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' },
  },
  steps: ['work', 'ask'],
}

/** Runs on lent keys are started while the process is killed: none is lost, none too many, and each keeps its key. */
export const trials = async ({ killAfterMs }: { killAfterMs: number }): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const fake = await startFakeOpenAi()
  const env = { JETTY_TRIAL_KEYS: 'OPENAI_API_KEY', OPENAI_API_KEY: lent, OPENAI_BASE_URL: fake.url }
  const faults: string[] = []
  const startFifty = (url: string, from: number) =>
    Promise.all(Array.from({ length: 50 }, (_, at) => client.start(url, 'asker', from + at, { use_trial_keys: true })))
  try {
    const first = site.spawn(env)
    const url = await first.ready
    await client.setUp(url, { asker })
    await client.call(url, 'POST', `/trial/${collection}/activate`)
    const starting = startFifty(url, 0)
    await pause(killAfterMs)
    await first.kill()
    await starting
    const again = await site.spawn(env).ready
    await startFifty(again, 100)
    await untilAllEnded(site)

    const [counted] = await site.rows<{ runs: number; places: number; uncounted: number; completed: number }>(
      `with asked as (select id, status from runs where name = '${collection}/asker')
       select (select count(*)::int from asked) runs, (select count(*)::int from trial_runs) places,
         (select count(*)::int from asked where id not in (select run_key from trial_runs)) uncounted,
         (select count(*)::int from asked where status = 'completed') completed`,
    )
    const told = JSON.stringify(counted)
    console.log(`trials: ${told}, ${client.acked.length} promised`)
    if (counted?.places !== limit) faults.push(`${limit} places should be taken: ${told}`)
    if (counted?.uncounted !== 0) faults.push(`runs were not counted: ${told}`)
    if (counted?.completed !== counted?.runs) faults.push(`runs did not complete: ${told}`)
    if (client.acked.length > (counted?.runs ?? 0)) faults.push(`${client.acked.length} runs were promised: ${told}`)
    const keys = new Set(fake.asked.map(({ headers }) => headers.authorization))
    // Places that were taken when it was killed may have no run: then nobody asks.
    if (keys.size > 1 || (counted?.runs && !keys.has(`Bearer ${lent}`))) faults.push('a call went without the lent key')
    const logs = ['server.log', 'data/postgres.log'].map((file) => readFileSync(join(site.folder, file), 'utf8'))
    if (logs.some((text) => text.includes(lent))) faults.push('a lent key stands in a log')
    return faults
  } finally {
    await site.close()
    await fake.close()
  }
}

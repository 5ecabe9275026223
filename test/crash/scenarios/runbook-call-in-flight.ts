import { agentsFolder } from '../../agents/agents-folder.ts'
import { startModel } from '../../agents/five-steps.ts'
import { type FrontMode, startModelFront } from '../../fakes/model-front.ts'
import { eventsOf, mustStart } from '../harness/carried-runbook.ts'
import { collection, makeClient } from '../harness/client.ts'
import { firstUid, processesInside, sandboxesLeft } from '../harness/sandboxes-left.ts'
import { makeSite } from '../harness/site.ts'
import { until, untilAllEnded } from '../harness/storm.ts'

const commands = ['sleep 1.5; echo one > /app/results/one', 'echo two > /app/results/two']
const workflow = {
  init_params: {},
  step_configs: {
    run: {
      activity: 'runbook',
      agent: 'claude-code',
      model: 'claude-sonnet-4-6',
      model_provider: 'anthropic',
      instruction: '# Two\n\nWrite one, then two.\n',
    },
  },
  steps: ['run'],
}

/**
 * The server is killed while a real agent waits for the answer of a model. The next one completes the run with another
 * agent, and what the first one had paid for is in the cost of the run.
 */
export const runbookCallInFlight = async (): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const model = await startModel(commands)
  let mode: FrontMode = 'pass'
  const front = await startModelFront(model.url, () => mode)
  const env = {
    JETTY_SANDBOX_UID: String(firstUid),
    JETTY_AGENTS_DIR: agentsFolder(),
    ANTHROPIC_BASE_URL: front.url,
  }
  try {
    let server = site.spawn(env)
    let url = await server.ready
    await client.setUp(url, { flight: workflow })
    const keys = { environment_variables: { ANTHROPIC_API_KEY: 'sk-ant-unmistakable-crash-41c7' } }
    await client.call(url, 'PATCH', `/collections/${collection}/environment`, keys)
    const run = await mustStart(client, url, 'flight')
    const told = () => eventsOf(site, run.trajectoryId)
    const has = async (type: string) => (await told()).some((event) => event.type === type)
    await until('the agent to work', () => has('tool_call'))
    mode = 'silent'
    await until('its next call to be under way', () => has('tool_result'))
    const paid = async () =>
      (
        await site.rows<{ usd: number }>(
          'select usd::float8 usd from run_spending s join runs r on r.id = s.run_id where r.trajectory_id = $1',
          [run.trajectoryId],
        )
      )[0]?.usd ?? 0
    const first = await paid()
    if (first === 0) faults.push('the first answer cost nothing: nothing was tried')
    await server.kill()
    await until('its processes to be gone', () => processesInside() === 0, 20_000)
    mode = 'pass'
    server = site.spawn(env)
    url = await server.ready
    const settledMs = await untilAllEnded(site)

    const { body } = await client.get(url, run)
    const { attempt, outputs } = body.steps.run
    if (body.status !== 'completed' || attempt !== 2) faults.push(`${body.status} at attempt ${attempt}: ${body.error}`)
    const usages = (await told()).filter(({ type }) => type === 'usage') as unknown as { cost_usd: number }[]
    const total = usages.reduce((sum, { cost_usd: usd }) => sum + usd, 0)
    const all = await paid()
    if (Math.abs(total - all) > 1e-9) faults.push(`calls of ${total} dollars were told, ${all} were written down`)
    if (Math.abs(all - first - outputs.usage.cost_usd) > 1e-9) {
      faults.push(`${first} and then ${outputs.usage.cost_usd} dollars were paid, and ${all} in all`)
    }
    if (outputs.usage.api_calls >= usages.length) faults.push('the outputs count calls of the first agent')
    faults.push(...(await sandboxesLeft(site.dataDir, [run.trajectoryId])))
    console.log('runbook, call in flight:', JSON.stringify({ first, all, calls: usages.length, settledMs }))
    return faults
  } finally {
    await site.close()
    await front.close()
    await model.stop()
  }
}

// What goes through the gateway of a sandbox is counted, told and paid like every other call of a model.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let openai: FakeOpenAi
let jetty: TestServer
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url, JETTY_RUNBOOK_CALLS: '4' } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-gateway-91ac' },
  })
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

/** Asks so many times from inside, each time as an SDK does, and writes down what it was told. */
const asking = (calls: number) => `---
version: "1.0.0"
evaluation: programmatic
primary_outputs: [said.txt]
---
# Asks

\`\`\`sh
/opt/jetty/node -e '
const ask = async () => {
  const answer = await fetch(process.env.OPENAI_BASE_URL + "/chat/completions", {
    method: "POST",
    headers: { authorization: "Bearer " + process.env.OPENAI_API_KEY, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "hi" }] }),
  })
  return answer.status + " " + (await answer.text())
}
const all = async () => {
  for (let at = 0; at < ${calls}; at++) require("fs").appendFileSync("/app/results/said.txt", await ask() + "\\n")
}
all()'
\`\`\`
`
const carriedOut = (calls: number) =>
  jetty.run({
    step_configs: { run: { activity: 'runbook', agent: 'scripted', instruction: asking(calls) } },
    steps: ['run'],
  })
const said = async (run: Body): Promise<string> => {
  const [path] = run.steps.run.outputs.primary_files
  return (await jetty.call('GET', `/api/v1/file/${path}`)).body
}
const settings = (body: Body) => jetty.call('PATCH', '/api/v1/collections/acme/settings', body)

it('its tokens and its cost are those of the run, call by call', async () => {
  const before = openai.asked.length
  const run = await carriedOut(2)
  expect(openai.asked).toHaveLength(before + 2)
  const { usage } = run.steps.run.outputs
  expect(usage).toMatchObject({ api_calls: 3, cost_usd: expect.closeTo(2 * (1000 * 0.15e-6 + 100 * 0.6e-6), 8) })
  expect(usage.total_tokens).toBeGreaterThanOrEqual(2200)
  const { body: logs } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
  const told = logs.events.filter(({ type }: Body) => type === 'model_call')
  expect(told).toHaveLength(3)
  expect(JSON.stringify(told.at(-1))).toContain('gpt-4o-mini')
  const { body: list } = await jetty.call('GET', '/api/v1/runs/acme?limit=100')
  expect(list.runs.find(({ trajectory_id: id }: Body) => id === run.trajectory_id).cost_usd).toBeCloseTo(
    usage.cost_usd,
    8,
  )
})

it('its calls end with its own budget, before the next one is sent', async () => {
  const before = openai.asked.length
  const run = await carriedOut(6)
  expect(openai.asked).toHaveLength(before + 3) // and the one that `scripted` makes
  expect(await said(run)).toMatch(/^(200 .*\n){3}(400 .*The model calls of this runbook are used up.*\n){3}$/)
})

it('its calls are paid from the budget of the collection, and refused when that is used up', async () => {
  await settings({ run_budget: { usd: 0.0003 } })
  const ofRun = await carriedOut(3)
  expect(await said(ofRun)).toMatch(/^(200 .*\n){2}400 .*The budget of this run is used up.*\n$/)
  await settings({ run_budget: null, budget: { usd_per_day: 0.0001 } })
  const before = openai.asked.length
  const ofDay = await carriedOut(1)
  expect(await said(ofDay)).toMatch(/^400 .*The budget of this collection for today is used up.*\n$/)
  expect(openai.asked).toHaveLength(before)
  await settings({ budget: null })
})

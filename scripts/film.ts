import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { chromium, type Page } from 'playwright-core'
import { makeCaller } from '../src/client/caller.ts'
import { makeClient } from '../src/client/client.ts'
import { loadOperations } from '../src/client/load-operations.ts'
import { pause } from '../src/lib/time.ts'
import { startChromium } from '../test/e2e/chromium.ts'
import { readPng, writeAnimatedPng } from './animated-png.ts'
import { startFixtureModel } from './fixture-model.ts'
import { signedInContext } from './fixture-pages.ts'
import { weeklyReport } from './fixture-run.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    out: { type: 'string', default: 'docs/images/run-live.png' },
    help: { type: 'boolean' },
  },
})
const token = process.env.JETTY_API_TOKEN
const usage = `JETTY_API_TOKEN=… npm run film -- --url http://127.0.0.1:7070 [--out file]
Films a run of the everyday task on a server that nobody needs, from its start to its end. The server must run with
JETTY_ALLOW_PRIVATE_NETWORK=127.0.0.1.
`
const collection = 'newsroom'
/** A run for the film takes so many times as long as the recorded one: there is something to see. */
const slower = 3
const everyMs = 150
const lastMs = 2_500

interface Shot {
  png: Buffer
  ms: number
}

/** Takes pictures until the page says that the run has ended. A person approves after a moment. */
const filmPage = async (page: Page): Promise<Shot[]> => {
  const shots: Shot[] = []
  let approvesAt = Number.POSITIVE_INFINITY
  const approve = page.getByRole('button', { name: 'Approve' })
  for (let isLast = false; !isLast; ) {
    isLast = (await page.getByRole('heading', { name: 'Completed' }).count()) > 0
    if (isLast) {
      await page.mouse.move(0, 0)
      await page.getByText('Loading…').first().waitFor({ state: 'hidden' })
    }
    const begun = performance.now()
    const png = await page.screenshot()
    if (approvesAt === Number.POSITIVE_INFINITY && (await approve.count()) > 0) approvesAt = performance.now() + 2_500
    if (performance.now() > approvesAt) {
      approvesAt = Number.MAX_VALUE
      await approve.first().click()
    }
    await pause(Math.max(0, everyMs - (performance.now() - begun)))
    shots.push({ png, ms: isLast ? lastMs : performance.now() - begun })
  }
  return shots
}

const main = async (): Promise<void> => {
  if (values.help || !values.url || token === undefined) return void process.stdout.write(usage)
  const operations = await loadOperations()
  const api = makeClient(operations, makeCaller(operations, { url: values.url, token }))
  const { task, workflow, params: init_params = {} } = weeklyReport
  const model = await startFixtureModel(slower)
  await api.createCollection({ body: { name: collection } }).catch(() => undefined)
  const variables = { OPENAI_API_KEY: 'sk-of-the-film', OPENAI_BASE_URL: model.url }
  await api.setEnvironment({ params: { collection }, body: { environment_variables: variables } })
  const slow = structuredClone(workflow)
  for (const step of Object.values(slow.step_configs ?? {})) {
    if (step?.seconds) step.seconds = Number(step.seconds) * slower
  }
  await api.createTask({ params: { collection }, body: { name: task, workflow: { ...slow } } })
  const server = await startChromium()
  const context = await signedInContext(await chromium.connect(server.wsEndpoint()), values.url, token)
  const page = await context.newPage()
  await page.setViewportSize({ width: 1000, height: 560 })
  await page.goto('/')
  const { trajectory_id: id } = await api.runTask({ params: { collection, task }, body: { init_params } })
  await page.goto(`/${collection}/${task}/${id}`)
  await page.getByRole('heading', { level: 1 }).waitFor()
  const shots = await filmPage(page)
  const picture = writeAnimatedPng(shots.map(({ png, ms }) => ({ picture: readPng(png), ms })))
  await writeFile(values.out, picture)
  await server.close()
  await model.close()
  process.stdout.write(`${values.out}: ${Math.round(picture.length / 1024)} KB\n`)
}

await main()

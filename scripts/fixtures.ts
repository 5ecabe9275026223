import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type BrowserContext, chromium } from 'playwright-core'
import { makeCaller } from '../src/client/caller.ts'
import { type Client, makeClient } from '../src/client/client.ts'
import { loadOperations } from '../src/client/load-operations.ts'
import { pause } from '../src/lib/time.ts'
import { startChromium } from '../test/e2e/chromium.ts'
import { agentEventTypes } from '../web/data/transcript.ts'
import { answerKey, type Fixture, type FixtureAnswer } from '../web/fixtures/fixture.ts'
import { fixturePages } from '../web/fixtures/pages.ts'
import { rewriteAnswer, stableId, withDurations } from '../web/fixtures/rewrite.ts'
import { fixtureShapes } from '../web/fixtures/shapes.ts'
import { prepareCollection } from './fixture-collection.ts'
import { fixtureMedia } from './fixture-media.ts'
import { startFixtureModel } from './fixture-model.ts'
import { filmOf, recordPage, signedInContext } from './fixture-pages.ts'
import { type FixtureRun, weeklyReport } from './fixture-run.ts'
import { fixtureRuns } from './fixture-runs.ts'

const { values } = parseArgs({
  options: { url: { type: 'string' }, help: { type: 'boolean' } },
})
const token = process.env.JETTY_API_TOKEN
const folder = new URL('../web/fixtures/', import.meta.url)
const collection = 'acme'
/** When every recorded run began. */
const begun = Date.parse('2026-11-28T11:36:24.000Z')
/** When their pages are looked at. */
const runsNow = '2026-11-28T12:00:00.000Z'
/** Real ids of runs, and what stands for them. */
const ids = new Map<string, string>()
/** Where answers have durations. */
const documents = '/api/v1/db/trajectory/'
/** Steps whose values are recorded: the first and the last of a long run. */
const mostWhole = 40

interface Started {
  task: string
  id: string
}

/** Answers are read as text: what a browser gets. */
const makeGet =
  (url: string) =>
  async (path: string): Promise<FixtureAnswer> => {
    const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } })
    const type = response.headers.get('content-type') ?? 'application/octet-stream'
    const bytes = Buffer.from(await response.arrayBuffer())
    const isText = /^(text\/|application\/json)/.test(type)
    return isText
      ? { status: response.status, type, body: bytes.toString() }
      : { status: response.status, type, body: bytes.toString('base64'), isBase64: true }
  }

const put = async (api: Client, name: string, workflow: FixtureRun['workflow'], description: string) => {
  const body = { name, description, workflow: { ...workflow }, has_file_uploads: true }
  await api.createTask({ params: { collection }, body }).catch(async () => {
    await api.updateTask({ params: { collection, task: name }, body: { workflow: { ...workflow } } })
  })
}

const start = async (api: Client, run: FixtureRun): Promise<Started> => {
  if (run.child) await put(api, run.child.name, run.child.workflow, 'Summarises one document')
  if (run !== weeklyReport) await put(api, run.task, run.workflow, run.description)
  const files = Object.entries(run.files ?? {}).map(([name, bytes]) => ({
    field: 'files',
    name,
    content: new Blob([bytes as Uint8Array<ArrayBuffer>]),
  }))
  const { trajectory_id: id } = await api.runTask({
    params: { collection, task: run.task },
    body: { init_params: run.params ?? {} },
    files,
  })
  return { task: run.task, id }
}

const statusOf = (api: Client, { task, id }: Started) =>
  api.getTrajectory({ params: { collection, task, trajectory_id: id }, query: { view: 'summary' } })

const approve = async (api: Client, { task, id }: Started, step: string): Promise<void> => {
  await pause(400)
  const params = { collection, task, trajectory_id: id, step }
  await api.decideApproval({ params, body: { decision: 'approve', comment: 'Good. Mind the third number.' } })
}

const settle = async (api: Client, run: FixtureRun, at: Started): Promise<Started> => {
  const wanted = run.until ?? 'ended'
  for (;;) {
    const { ended, steps, waiting } = await statusOf(api, at)
    if (wanted !== 'ended' && steps[wanted.begun]) break
    if (waiting?.some(({ step }) => step === run.approves)) await approve(api, at, run.approves ?? '')
    if (ended !== null) break
    await pause(100)
  }
  const params = { collection, task: at.task, trajectory_id: at.id }
  if (run.cancels) {
    await api.setTrajectoryStatuses({ params, body: { [at.id]: 'cancelled' } })
    return settle(api, { ...run, until: 'ended', cancels: undefined } as never, at)
  }
  if (!run.rerun) return at
  const { rerun, ...once } = run
  ids.set(at.id, stableId(`${run.name}-before`))
  const { trajectory_id: id } = await api.rerunTrajectory({ params, body: rerun })
  return settle(api, once, { task: at.task, id })
}

/** The paths of everything that the page of a run may ask for. */
const pathsOf = async (api: Client, { task, id }: Started): Promise<string[]> => {
  const run = await statusOf(api, { task, id })
  const base = `/api/v1/trajectory/${collection}/${task}/${id}`
  const names = Object.keys(run.steps)
  const whole = names.length <= mostWhole ? names : [...names.slice(0, mostWhole / 2), ...names.slice(-mostWhole / 2)]
  const paths = [
    `/api/v1/db/trajectory/${collection}/${task}/${id}?view=summary`,
    `/api/v1/workflows-logs/${run.workflow_id}?limit=5000`,
    `${base}/init_params`,
    `/api/v1/db/stats/${collection}/${task}`,
    `/api/v1/runs/${collection}?parent_id=${id}&limit=50`,
    `${base}/files`,
  ]
  for (const name of whole) {
    const step = await api.getStep({ params: { collection, task, trajectory_id: id, step: name } })
    paths.push(`${base}/steps/${encodeURIComponent(name)}`)
    if (step.activity === 'runbook') paths.push(transcriptPath(run.workflow_id, name))
    for (const pointer of step.large_values) paths.push(largePath(base, name, pointer))
  }
  const { files } = await api.listRunFiles({ params: { collection, task, trajectory_id: id }, query: { limit: 1_000 } })
  const stored = files.map(({ path }) => `/api/v1/file/${path.split('/').map(encodeURIComponent).join('/')}`)
  return [...paths, ...stored]
}

/** The same events that the transcript of a page asks for. */
const transcriptPath = (workflowId: string, step: string): string => {
  const query = [['order', 'desc'], ['step', step], ...agentEventTypes.map((type) => ['type', type]), ['limit', '5000']]
  return `/api/v1/workflows-logs/${workflowId}?${new URLSearchParams(query)}`
}

const largePath = (base: string, step: string, pointer: string): string => {
  const [of = '', member] = pointer.slice(1).split(/\/(.*)/s)
  const query = new URLSearchParams({
    of,
    ...(member === undefined ? {} : { member: member.replaceAll('~1', '/').replaceAll('~0', '~') }),
  })
  return `${base}/steps/${encodeURIComponent(step)}/value?${query}`
}

const record = async (api: Client, url: string, run: FixtureRun): Promise<void> => {
  const at = await settle(api, run, await start(api, run))
  const summary = await statusOf(api, at)
  const get = makeGet(url)
  ids.set(at.id, stableId(run.name))
  const children = (await api.listCollectionRuns({ params: { collection }, query: { parent_id: at.id, limit: 500 } }))
    .runs
  for (const [index, child] of children.entries()) ids.set(child.trajectory_id, stableId(`${run.name} ${index}`))
  const stretched = run.stretch && summary.steps[run.stretch.after]?.created
  const rewriting = {
    shiftMs: begun - Date.parse(summary.created) - (run.stretch?.byMs ?? 0),
    ids,
    origin: new URL(summary.url).origin,
    ...(run.stretch && stretched ? { stretch: { after: stretched, byMs: run.stretch.byMs } } : {}),
  }
  const answers: Fixture['answers'] = {}
  for (const path of await pathsOf(api, at)) {
    const answer = await get(path)
    const moved = answer.isBase64 ? answer.body : rewriteAnswer(answer.body, rewriting)
    const body = run.stretch && path.startsWith(documents) ? JSON.stringify(withDurations(JSON.parse(moved))) : moved
    answers[answerKey('GET', rewriteAnswer(path, rewriting))] = { ...answer, body }
  }
  const fixture: Fixture = {
    name: run.name,
    page: `/${collection}/${at.task}/${stableId(run.name)}`,
    now: runsNow,
    answers,
  }
  await write('runs', fixture)
}

const write = async (kind: 'runs' | 'pages', fixture: Fixture): Promise<void> => {
  await writeFile(new URL(`${kind}/${fixture.name}.json`, folder), `${JSON.stringify(fixture)}\n`)
  process.stdout.write(`${fixture.name}: ${Object.keys(fixture.answers).length} answers\n`)
}

/** Records the pages that are no runs, as a browser sees them. */
const recordPages = async (context: BrowserContext, url: string): Promise<void> => {
  const real = new Map([...ids].map(([id, stable]) => [stable, id]))
  const get = makeGet(url)
  for (const { name, address, also = [] } of fixturePages) {
    const rewriting = { shiftMs: 0, ids, origin: url }
    const now = new Date().toISOString()
    const at = address((run) => real.get(stableId(run)) ?? 'missing')
    const answers = await recordPage(context, at, (text) => rewriteAnswer(text, rewriting))
    for (const path of also) {
      const pathWith = (idOf: (run: string) => string) => path.replace(/\{(.+)\}/, (_, run: string) => idOf(run))
      const answer = await get(pathWith((run) => real.get(stableId(run)) ?? 'missing'))
      answers[answerKey('GET', pathWith(stableId))] = { ...answer, body: rewriteAnswer(answer.body, rewriting) }
    }
    await write('pages', { name, page: address(stableId), now, answers })
  }
}

const usage = `JETTY_API_TOKEN=… npm run fixtures -- --url http://127.0.0.1:7070
Records web/fixtures from a fresh server that nobody needs. JETTY_API_TOKEN is its admin token, and it must run with
JETTY_ALLOW_PRIVATE_NETWORK=127.0.0.1, so that it reaches the model of the recording.
`

const main = async (): Promise<void> => {
  if (values.help || !values.url || token === undefined) return void process.stdout.write(usage)
  const operations = await loadOperations()
  const api = makeClient(operations, makeCaller(operations, { url: values.url, token }))
  for (const kind of ['runs/', 'pages/']) await mkdir(new URL(kind, folder), { recursive: true })
  const model = await startFixtureModel()
  await prepareCollection(api, collection, model.url)
  const server = await startChromium()
  const context = await signedInContext(await chromium.connect(server.wsEndpoint()), values.url, token)
  const runs = fixtureRuns({ ...fixtureMedia(), 'harbour.webm': await filmOf(context) })
  const missing = fixtureShapes.filter(({ name }) => !runs.some((run) => run.name === name))
  if (missing.length > 0) throw new Error(`No run makes ${missing.map(({ name }) => name).join(', ')}`)
  for (const run of runs) await record(api, values.url, run)
  await recordPages(context, values.url)
  await server.close()
  await model.close()
}

await main()

import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Client, makeCaller, makeClient } from '../src/client/client.ts'
import { loadOperations } from '../src/client/load-operations.ts'
import { pause } from '../src/lib/time.ts'
import { agentEventTypes } from '../web/data/agent-event-types.ts'
import { answerKey, type Fixture, type FixtureAnswer } from '../web/fixtures/fixture.ts'
import { rewriteAnswer, stableId, withDurations } from '../web/fixtures/rewrite.ts'
import { fixtureShapes } from '../web/fixtures/shapes.ts'
import { fixtureMedia } from './fixture-media.ts'
import { type FixtureRun, fixtureRuns } from './fixture-runs.ts'

const { values } = parseArgs({
  options: { url: { type: 'string' }, only: { type: 'string' }, help: { type: 'boolean' } },
})
const token = process.env.JETTY_API_TOKEN
const folder = new URL('../web/fixtures/runs/', import.meta.url)
const collection = 'fixtures'
/** When every recorded run began. */
const noon = Date.parse('2026-11-28T11:36:24.000Z')
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

const put = async (api: Client, name: string, workflow: FixtureRun['workflow']) => {
  const body = { name, workflow: { ...workflow }, has_file_uploads: true }
  await api.createTask({ params: { collection }, body }).catch(async () => {
    await api.updateTask({ params: { collection, task: name }, body: { workflow: { ...workflow } } })
  })
}

const start = async (api: Client, run: FixtureRun): Promise<Started> => {
  if (run.child) await put(api, run.child.name, run.child.workflow)
  await put(api, run.name, run.workflow)
  const files = Object.entries(run.files ?? {}).map(([name, bytes]) => ({
    field: 'files',
    name,
    content: new Blob([bytes as Uint8Array<ArrayBuffer>]),
  }))
  const { trajectory_id: id } = await api.runTask({
    params: { collection, task: run.name },
    body: { init_params: run.params ?? {} },
    files,
  })
  return { task: run.name, id }
}

const statusOf = (api: Client, { task, id }: Started) =>
  api.getTrajectory({ params: { collection, task, trajectory_id: id }, query: { view: 'summary' } })

const settle = async (api: Client, run: FixtureRun, at: Started): Promise<Started> => {
  const wanted = run.until ?? 'ended'
  for (;;) {
    const { ended, steps } = await statusOf(api, at)
    if (wanted !== 'ended' && steps[wanted.begun]) break
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
  const ids = new Map([[at.id, stableId(run.name)]])
  const children = (await api.listCollectionRuns({ params: { collection }, query: { parent_id: at.id, limit: 500 } }))
    .runs
  for (const [index, child] of children.entries()) ids.set(child.trajectory_id, stableId(`${run.name} ${index}`))
  const stretched = run.stretch && summary.steps[run.stretch.after]?.created
  const rewriting = {
    shiftMs: noon - Date.parse(summary.created) - (run.stretch?.byMs ?? 0),
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
  const fixture: Fixture = { name: run.name, page: `/${collection}/${at.task}/${stableId(run.name)}`, answers }
  await writeFile(new URL(`${run.name}.json`, folder), `${JSON.stringify(fixture)}\n`)
  process.stdout.write(`${run.name}: ${Object.keys(answers).length} answers\n`)
}

const main = async (): Promise<void> => {
  if (values.help || !values.url || token === undefined) {
    process.stdout.write(
      'JETTY_API_TOKEN=… npm run fixtures -- --url http://127.0.0.1:7070 [--only name]\nRecords the runs of web/fixtures from a server that nobody needs.\n',
    )
    return
  }
  const operations = await loadOperations()
  const api = makeClient(operations, makeCaller(operations, { url: values.url, token }))
  await mkdir(folder, { recursive: true })
  await api.createCollection({ body: { name: collection } }).catch(() => undefined)
  const runs = fixtureRuns(fixtureMedia())
  const missing = fixtureShapes.filter(({ name }) => !runs.some((run) => run.name === name))
  if (missing.length > 0) throw new Error(`No run makes ${missing.map(({ name }) => name).join(', ')}`)
  for (const run of runs) if (values.only === undefined || values.only === run.name) await record(api, values.url, run)
}

await main()

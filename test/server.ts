import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import type { Activity } from '../src/activities/activity.ts'
import { builtinActivities } from '../src/activities/registry.ts'
import { createLogger } from '../src/lib/log.ts'
import { loadSettings } from '../src/lib/settings/config.ts'
import { pause } from '../src/lib/time.ts'
import type { Workflow } from '../src/model/workflows/workflow.ts'
import type { RunbookRunner } from '../src/server/lazy-runbook-runner.ts'
import { type Server, startServer } from '../src/server/start-server.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { httpCall } from './http-call.ts'
import { type LeakWatch, makeLeakWatch } from './leaks/watch.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
export type Body = any

export interface TestServer {
  server: Server
  url: string
  /** One call with the admin token, or with another; FormData is sent as multipart, anything else as JSON. */
  call(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): Promise<{ status: number; body: Body; headers: Headers }>
  /** Stores a workflow as a new task of `acme` and gives its name. */
  task(workflow: Workflow): Promise<string>
  /** Runs a workflow to its end and gives the trajectory. */
  run(workflow: Workflow, form?: Record<string, unknown>, files?: Record<string, string | Uint8Array>): Promise<Body>
  /** Starts a run of a task and gives its answer. */
  start(task: string, form?: Record<string, unknown>): Promise<Body>
  get(task: string, id: string): Promise<Body>
  /** Waits until a look at a run satisfies; fails after two and a half minutes. */
  until(task: string, id: string, satisfied: (trajectory: Body) => boolean): Promise<Body>
  /** Stops it, and fails when a secret of the test is in an answer, the log, a row or a file. */
  close(): Promise<void>
  database: TestDatabase
  dataDir: string
  leaks: LeakWatch
}

export interface TestServerOptions {
  activities?: Activity[]
  env?: Record<string, string>
  /** What the time is for what is due at a time, in milliseconds since 1970. */
  clock?: () => number
  /** How often it looks for what is due. */
  beatMs?: number
  /** How often it sends a line break while a long poll of a worker waits. */
  pollBeatMs?: number
  /** How often it tidies up. */
  houseMs?: number
  /** The clock of the machine, where that is wrong. */
  machineClock?: () => number
  /** Called with each line of its log, parsed. */
  onLog?: (line: Record<string, unknown>) => void
  /** Carries runbooks out in the place of sandboxes. */
  runbooks?: RunbookRunner
  /** Folder of built pages, as `dist/web`; without it the server has none. */
  webFolder?: string
  /** Whether it is the first start over its database, which makes the demo collection. */
  isFirst?: boolean
  /** Another process of the same installation: it shares database and data folder. */
  beside?: Pick<TestServer, 'database' | 'dataDir' | 'leaks'>
}

/** Of a machine that has much to do; no longer than a test may take, so that what was seen last is told. */
const longestWaitMs = 150_000

/** Everything is logged, to be looked through; TEST_LOG is what of it is shown. */
const watchedLog = (leaks: LeakWatch, onLog?: TestServerOptions['onLog']) => {
  const shown = process.env.TEST_LOG
  const level = (name: string) => pino.levels.values[name] ?? Number.POSITIVE_INFINITY
  const write = (line: string) => {
    leaks.log(line)
    onLog?.(JSON.parse(line))
    if (shown && level(JSON.parse(line).level) >= level(shown)) process.stderr.write(line)
  }
  return createLogger({ level: 'trace', destination: { write } })
}

/** Tests look past the server, which makes whoever asks it wait for the gateway calls before. */
const withRecords = ({ database, engine }: Server): Server['database'] => ({
  ...database,
  async query(text, values) {
    await engine.recorded()
    return database.query(text, values)
  },
})

/** The whole server, as `jetty serve` composes it, over a database of its own, with the collection `acme`. */
export const startTestServer = async (options: TestServerOptions = {}): Promise<TestServer> => {
  const { beside } = options
  const database = beside?.database ?? (await createTestDatabase({ hasStarted: !options.isFirst }))
  const dataDir = beside?.dataDir ?? (await mkdtemp(join(tmpdir(), 'jetty-data-')))
  const leaks = beside?.leaks ?? makeLeakWatch()
  const settings = loadSettings({
    DATABASE_URL: database.url,
    JETTY_PORT: '0',
    JETTY_WEB: options.webFolder ? 'on' : 'off', // otherwise what `dist` happens to have would be served
    JETTY_DATA_DIR: dataDir,
    JETTY_PREVIEW_SECONDS: '60', // its process starts from TypeScript here
    ...options.env,
  })
  const more = (options.activities ?? []).map((activity) => [activity.name, activity] as const)
  const start = () =>
    startServer({
      settings,
      log: watchedLog(leaks, options.onLog),
      variables: options.env ?? {},
      activities: new Map([...builtinActivities, ...more]),
      ...(options.runbooks && { runbooks: options.runbooks }),
      ...(options.clock && { clock: options.clock }),
      ...(options.beatMs && { beatMs: options.beatMs }),
      ...(options.pollBeatMs && { pollBeatMs: options.pollBeatMs }),
      ...(options.houseMs && { houseMs: options.houseMs }),
      ...(options.machineClock && { machineClock: options.machineClock }),
      ...(options.webFolder && { webFolder: options.webFolder }),
    })
  const started = await start().catch((error) => {
    if (error.code !== 'database_unavailable') throw error
    return start() // this process, or Postgres, stood still for longer than a connection is waited for
  })
  const server: Server = { ...started, database: withRecords(started) }
  const url = server.url ?? ''
  leaks.remember('the admin token', server.adminToken)
  for (const name of settings.trialKeys) leaks.remember(`the lent ${name}`, options.env?.[name]?.trim() ?? '')
  for (const served of [server.url, server.metricsUrl]) {
    if (served) leaks.watchServer(served, { showsVariables: settings.exposeEnvValues })
  }

  const call: TestServer['call'] = async (method, path, body, token = server.adminToken) => {
    const isForm = body instanceof FormData
    const sent = body === undefined || isForm || typeof body === 'string' ? body : JSON.stringify(body)
    const type = body === undefined || isForm ? {} : { 'content-type': 'application/json' }
    const { status, headers, text } = await httpCall(
      method,
      url + path,
      { authorization: `Bearer ${token}`, ...type },
      sent,
    )
    const json = headers.get('content-type')?.startsWith('application/json') && text !== ''
    return { status, body: json ? JSON.parse(text) : text, headers }
  }

  const formOf = (fields: Record<string, unknown>, files: Record<string, string | Uint8Array>): FormData => {
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) {
      form.append(name, typeof value === 'string' ? value : JSON.stringify(value))
    }
    for (const [name, content] of Object.entries(files)) form.append('files', new Blob([content as string]), name)
    return form
  }

  let tasks = 0
  const task = async (workflow: Workflow): Promise<string> => {
    const name = `t${++tasks}`
    const answer = await call('POST', '/api/v1/tasks/acme', { name, workflow })
    if (answer.status !== 201) throw new Error(`task refused: ${JSON.stringify(answer.body)}`)
    return name
  }
  const get = async (name: string, id: string) => (await call('GET', `/api/v1/db/trajectory/acme/${name}/${id}`)).body

  if (server.url && !beside) await call('POST', '/api/v1/collections', { name: 'acme' })
  return {
    server,
    url,
    call,
    task,
    get,
    async run(workflow, fields = {}, files = {}) {
      const name = await task(workflow)
      const answer = await call('POST', `/api/v1/run-sync/acme/${name}`, formOf(fields, files))
      if (answer.status !== 200) throw new Error(`run refused: ${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    async start(name, fields = {}) {
      return (await call('POST', `/api/v1/run/acme/${name}`, formOf(fields, {}))).body
    },
    async until(name, id, satisfied) {
      for (const begun = performance.now(); ; ) {
        const trajectory = await get(name, id)
        if (satisfied(trajectory)) return trajectory
        if (performance.now() - begun > longestWaitMs) throw new Error(`never so: ${JSON.stringify(trajectory)}`)
        await pause(20)
      }
    },
    async close() {
      await server.close()
      try {
        await leaks.check({ databaseUrl: database.url, files: join(dataDir, 'files') })
      } finally {
        if (!beside) await database.drop()
        if (!beside) rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 })
      }
    },
    database,
    dataDir,
    leaks,
  }
}

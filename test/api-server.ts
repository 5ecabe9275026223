import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { builtinActivities } from '../src/activities/registry.ts'
import { auditRoutes } from '../src/api/audit/routes.ts'
import { makeAuditTrail } from '../src/api/audit/trail.ts'
import { makeAuthenticate, makeCallLimit } from '../src/api/authenticate.ts'
import { collectionsRoutes } from '../src/api/collections/routes.ts'
import { datasetsRoutes } from '../src/api/datasets/routes.ts'
import { docsRoutes } from '../src/api/docs/routes.ts'
import { entitiesRoutes } from '../src/api/entities/routes.ts'
import { filesRoutes } from '../src/api/files/routes.ts'
import { makeReadiness } from '../src/api/health/readiness.ts'
import { healthRoutes } from '../src/api/health/routes.ts'
import { hostedOnlyRoutes } from '../src/api/hosted-only/routes.ts'
import { itemsRoutes } from '../src/api/items/routes.ts'
import { keysRoutes } from '../src/api/keys/routes.ts'
import { makeReference } from '../src/api/reference.ts'
import { stepTemplatesRoutes } from '../src/api/step-templates/routes.ts'
import { tasksRoutes } from '../src/api/tasks/routes.ts'
import { makeShownDefinitions } from '../src/api/trajectories/definitions.ts'
import type { CheckedWorkflow } from '../src/engine/engine.ts'
import { makeProgramCache } from '../src/engine/program/programs.ts'
import type { Route } from '../src/http/implement.ts'
import { makeServer } from '../src/http/server.ts'
import { newApiKey } from '../src/lib/ids.ts'
import { makeByteBudget } from '../src/lib/memory/byte-budget.ts'
import { hashToken, makeSealer } from '../src/lib/secrets/crypto.ts'
import { noLentKeys } from '../src/model/collections/trial.ts'
import { makeCallCounter } from '../src/store/calls/call-guard.ts'
import { makeCollectionFinder } from '../src/store/collections/collections.ts'
import { makeKeyFinder, makeKeyToucher } from '../src/store/collections/keys.ts'
import { makeLending } from '../src/store/collections/lending.ts'
import { makeQuota } from '../src/store/collections/quota.ts'
import { makeSessionFinder, makeSessionToucher, takeSignInCode } from '../src/store/collections/sessions.ts'
import { type Database, openDatabase } from '../src/store/database/database.ts'
import { openDiskObjects } from '../src/store/objects/disk.ts'
import type { ObjectStore } from '../src/store/objects/objects.ts'
import { makeTaskFinder } from '../src/store/runs/runs.ts'
import { createTestDatabase } from './database.ts'
import { httpCall } from './http-call.ts'
import { type LeakWatch, makeLeakWatch } from './leaks/watch.ts'

export interface Answer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
  body: any
}

export interface ApiServer {
  url: string
  port: number
  database: Database
  admin: string
  /** One request; the body is sent as JSON unless it is text already. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  /** A key of some collections, by their names. */
  makeKey(collections: string[], access?: 'READ' | 'WRITE'): Promise<string>
  objects: ObjectStore
  /** How many objects the store holds, half-written ones included. */
  objectCount(): Promise<number>
  cancelled: number[]
  logged: unknown[]
  leaks: LeakWatch
  /** Stops it, and fails when a secret of the test is in an answer, the log, a row or a file. */
  close(): Promise<void>
}

export interface CallOptions {
  token?: string | null
  body?: unknown
  headers?: Record<string, string>
}

/** Makes the routes that need no engine. */
const resources = [
  healthRoutes,
  docsRoutes,
  collectionsRoutes,
  tasksRoutes,
  filesRoutes,
  keysRoutes,
  auditRoutes,
  stepTemplatesRoutes,
  datasetsRoutes,
  itemsRoutes,
  entitiesRoutes,
  hostedOnlyRoutes,
]

type ApiDeps = (typeof resources)[number] extends (deps: infer Deps) => unknown ? Deps : never

export const routesWithoutEngine = (deps: ApiDeps): Route[] => resources.flatMap((routesOf) => routesOf(deps))

/** What a check finds where there is no engine to check anything. */
export const unchecked: CheckedWorkflow = {
  faults: [],
  outline: () => ({ execution: 'sequential', steps: [], steps_total: 0, bindings: {} }),
}

export interface ApiServerOptions {
  deps?: Partial<ApiDeps>
  settings?: Partial<typeof defaults>
  moreRoutes?: Route[]
  /** Without these nothing is limited. */
  limits?: { callsPerMinute?: number; failuresPerMinute?: number }
  /** Its database is shared, as by another process; to be closed before it. */
  beside?: ApiServer
}

const defaults = {
  publicUrl: 'https://jetty.example.com',
  maxBodyBytes: 1024 * 1024,
  maxBodyValues: 100_000,
  maxUploadBytes: 1024 * 1024,
  maxFilesPerRun: 3,
  previewSeconds: 30,
  previewMemoryBytes: 512 * 1024 * 1024,
  maxInitParamsBytes: 64 * 1024,
  maxBatchBytes: 1024 * 1024,
  maxDatasetItems: 1000,
  sessionKeyDays: 90,
  exposeEnvValues: false,
  keyCollections: 1000,
  rateLimit: 0,
  allowPrivateNetwork: [],
}

/** The routes over a database of their own and a real port, without an engine. */
export const startApiServer = async (options: ApiServerOptions = {}): Promise<ApiServer> => {
  const { beside } = options
  const own = beside ? { url: beside.database.url, drop: async () => {} } : await createTestDatabase()
  const database = openDatabase(own.url)
  const settings = { ...defaults, ...options.settings }
  const admin = `admin-${randomBytes(16).toString('hex')}`
  const cancelled: number[] = []
  const logged: unknown[] = []
  const leaks = beside?.leaks ?? makeLeakWatch()
  const note = (fields: object) => {
    logged.push(fields)
    leaks.log(inspect(fields, { depth: 6, breakLength: Number.POSITIVE_INFINITY }))
  }
  const findCollection = makeCollectionFinder(database)
  const folder = await mkdtemp(join(tmpdir(), 'jetty-objects-'))
  const objects = await openDiskObjects(folder, async () => ({ installation: 'test', origin: '1/1/1' }))
  const sealer = makeSealer([randomBytes(32)])
  const clock = { skewMs: 0, isSkewed: false, now: Date.now, heard: () => {} }
  const quota = makeQuota(database, { bytes: 1024 ** 4, runs: 1_000_000 }, { debug: () => {} })
  const deps: ApiDeps = {
    database,
    readiness: makeReadiness({
      watch: { state: 'up', reason: undefined, clock },
      engine: {
        isFull: false,
        statistics: () => ({ memory: makeByteBudget(1024 ** 2) }),
      },
      role: 'all',
      dataDir: folder,
      leastFreeBytes: 0,
      objects,
    }),
    settings,
    sealer,
    lending: makeLending({
      database,
      sealer,
      lentKeys: noLentKeys,
      terms: { trialRuns: 10, trialMinutes: 60, trialDays: 14, trialCollections: 100 },
    }),
    pauses: { refresh: async () => {} },
    quota,
    version: '0.0.0-test',
    ...makeReference({ version: '0.0.0-test' }),
    checkWorkflow: async () => unchecked,
    cancelRunsOf: async (id) => {
      cancelled.push(id)
      return 0
    },
    objects,
    buckets: { bucketOf: async () => undefined },
    findCollection,
    activities: builtinActivities,
    links: { publicUrl: settings.publicUrl },
    definitions: makeShownDefinitions(makeProgramCache(builtinActivities).readThrough(database)),
    ...options.deps,
  }
  const server = makeServer({
    routes: [...routesWithoutEngine(deps), ...(options.moreRoutes ?? [])],
    authenticate: makeAuthenticate({
      adminToken: admin,
      findKey: makeKeyFinder(database),
      touchKey: makeKeyToucher(database),
      findSession: makeSessionFinder(database),
      touchSession: makeSessionToucher(database),
      takeCode: (hashes) => takeSignInCode(database, hashes),
      failuresPerMinute: options.limits?.failuresPerMinute ?? 0,
    }),
    limit: makeCallLimit({
      callsPerMinute: options.limits?.callsPerMinute ?? 0,
      count: makeCallCounter(database),
    }),
    audit: makeAuditTrail(database),
    findCollection,
    findTask: makeTaskFinder(database),
    files: objects,
    settings,
    log: { isLevelEnabled: () => true, debug: note, warn: note, error: note },
    checkAnswers: true,
  })
  const { url, port } = await server.listen('127.0.0.1', 0)
  leaks.remember('the admin token', admin)
  leaks.watchServer(url, { showsVariables: settings.exposeEnvValues })

  return {
    url,
    port,
    database,
    admin,
    objects,
    objectCount: async () =>
      (await readdir(folder, { recursive: true, withFileTypes: true })).filter(
        (entry) => entry.isFile() && entry.name !== 'databases', // the note of whose folder it is
      ).length,
    cancelled,
    logged,
    leaks,
    async call(method, path, { token = admin, body, headers } = {}) {
      const sent = {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      }
      const asText = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
      const answer = await httpCall(method, url + path, sent, asText)
      const json = answer.headers.get('content-type') === 'application/json' && answer.text !== ''
      return { ...answer, body: json ? JSON.parse(answer.text) : undefined }
    },
    async makeKey(collections, access = 'WRITE') {
      const key = newApiKey()
      leaks.remember('a key', key)
      await database.query(
        `with c as (select id from collections where name = any($1)),
           k as (insert into api_keys (home_collection_id, name, key_hash, key_prefix, access_level)
                 select min(id), $2, $3, $4, $5 from c returning id)
         insert into api_key_collections select k.id, c.id from k, c`,
        [collections, `key-${key.slice(4, 12)}`, hashToken(key), key.slice(0, 8), access],
      )
      return key
    },
    async close() {
      await server.close(1)
      await database.close()
      try {
        await leaks.check({ databaseUrl: own.url, files: folder })
      } finally {
        await own.drop()
        await rm(folder, { recursive: true, maxRetries: 5 })
      }
    },
  }
}

/**
 * The only file that knows the engine library. DBOS decides which process has which lease: it hands queued ones out,
 * and gives those of a dead process to a living one. What happens inside a lease is ours.
 *
 * Internal modules are imported for two ends: a queue is polled when NOTIFY says so, not by a timer, and with as much
 * as this process can take right now; and the library's own tables are made without it printing to stdout. The version
 * is pinned exactly; the engine's tests fail when the shape of those modules changes.
 *
 * All of it is loaded late: it takes 0.2 s in which runs that survived a crash are under way already. Nothing of it is
 * loaded without `loadWithoutHooks`.
 */
import type { DBOSExecutor } from '@dbos-inc/dbos-sdk/internal/dbos-executor'
import type { SystemDatabase } from '@dbos-inc/dbos-sdk/internal/system_database'
import pg from 'pg'
import { explainOutage } from '../../database/away.ts'
import { cutConnection, setSession } from '../../database/connection.ts'
import type { Database, Queries } from '../../database/database.ts'
import type { ForeignMigration } from '../../database/migrate.ts'
import type { Logger } from '../../lib/log.ts'
import { engineNamesMigration, engineSchemaMigration, readEngineSchema } from './engine-schema.ts'
import { loadWithoutHooks } from './without-hooks.ts'

/** Raised only when a run under way could not be continued by the new program. */
const engineVersion = '1'
const applicationName = 'jetty'
const workflowName = 'lease'
const queueName = 'runs'

/** Name of the queue of leases whose runs ask for labels of a server process. */
const queueOf = (placement: string): string => `${queueName}:${placement}`

/** Loads the module of the library in which its contexts are made; it loads all others. */
const loadContexts = () => import('@dbos-inc/dbos-sdk/internal/context')

const silent = { info: () => {}, debug: () => {}, warn: () => {}, error: () => {} }

/** Makes the library's own tables, in the schema that was chosen before; recorded under this name as done. */
const libraryMigration = (url: string): ForeignMigration => ({
  name: '@dbos-inc/dbos-sdk@5.3.0',
  async run(client) {
    const schema = await readEngineSchema(async (text) => (await client.query<{ value: string }>(text)).rows)
    await loadWithoutHooks(loadContexts)
    const { migrateSystemDatabase } = await import('@dbos-inc/dbos-sdk/internal/system_database')
    await migrateSystemDatabase(url, silent as unknown as Parameters<typeof migrateSystemDatabase>[1], schema)
  },
})

/** Everything that the engine needs in the database beside our own tables. */
export const engineMigrations = (url: string): ForeignMigration[] => [
  engineSchemaMigration,
  libraryMigration(url),
  engineNamesMigration({
    workflow: workflowName,
    queue: queueName,
    application: applicationName,
    version: engineVersion,
  }),
]

export interface Dispatcher {
  /** Registers a lease that this process has taken, so that another process gets it if this one dies. */
  announce(leaseId: string): Promise<void>
  /**
   * Takes at most `budget` queued leases that this process may have; each is passed to `onLease`. Returns their number.
   * One poll at a time.
   */
  poll(budget: number): Promise<number>
  /** Cuts its connections, which may lead nowhere any more; it makes new ones. */
  reconnect(): void
  /** No more leases arrive. */
  stopPolling(): void
  close(): Promise<void>
}

const quiet = (log: Logger) => ({
  info: () => {},
  debug: () => {},
  warn: (entry: unknown) => log.debug({ dbos: String(entry) }, 'engine library'),
  error: (entry: unknown) => log.warn({ dbos: String(entry) }, 'engine library'),
})

/** A process may be frozen while it holds a transaction open; takeover must not wait for it. */
const libraryPool = (url: string, connections: number, open: Set<pg.ClientBase>): pg.Pool => {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    application_name: 'jetty engine',
    async onConnect(client) {
      open.add(client)
      await setSession(client, { idle_in_transaction_session_timeout: 3_000 })
    },
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    client.on('error', () => {})
    client.on('end', () => open.delete(client))
  })
  return pool
}

/** The part of the library's queue runner that is used although it is declared private. */
interface QueuePoller {
  pollQueue(
    executor: DBOSExecutor,
    queue: { name: string; minPollingIntervalMs: number; workerConcurrency: number },
  ): Promise<boolean>
}

/**
 * The library asks the database for nothing that cannot be there: leases have no schedule, delay or deadline, their queues
 * are polled when there is news, and its tables were made by `libraryMigration`. Its loops would ask each second.
 */
const unused: Pick<
  SystemDatabase,
  'init' | 'listSchedules' | 'listQueues' | 'transitionDelayedWorkflows' | 'cancelTimedOutWorkflows'
> = {
  init: async () => {},
  listSchedules: async () => [],
  listQueues: async () => [],
  transitionDelayedWorkflows: async () => {},
  cancelTimedOutWorkflows: async () => [],
}

/**
 * The launch puts leases that this process held when it died on the library's own queue, whose first poll, after a second,
 * takes all of them. Nothing else comes there, so later polls are only for a first one that failed.
 */
const ownQueueEveryMs = 60_000

/** Starts the library. `onLease` is called for each lease that is ours now, and resolves when nothing in it is open. */
export const launchDispatcher = async (options: {
  database: Database
  /** Schema of the library's tables; read from the database if absent. */
  schema?: string
  /** Maximum connections of the library. */
  connections: number
  executor: string
  /** Placements that this process satisfies: see `placementsWithin`. */
  placements: readonly string[]
  log: Logger
  onLease: (leaseId: string) => Promise<void>
}): Promise<Dispatcher> => {
  await loadWithoutHooks(loadContexts)
  const { DBOS } = await import('@dbos-inc/dbos-sdk')
  const { DBOSExecutor } = await import('@dbos-inc/dbos-sdk/internal/dbos-executor')
  const { SystemDatabase } = await import('@dbos-inc/dbos-sdk/internal/system_database')
  const { INTERNAL_QUEUE_NAME } = await import('@dbos-inc/dbos-sdk/internal/utils')
  const { wfQueueRunner } = await import('@dbos-inc/dbos-sdk/internal/wfqueue')
  const lease = DBOS.registerWorkflow(options.onLease, { name: workflowName, maxRecoveryAttempts: 1_000_000_000 })
  const open = new Set<pg.ClientBase>()
  const pool = libraryPool(options.database.url, 1, open) // loops that it begins would each open one of their own
  DBOS.setConfig({
    name: applicationName,
    systemDatabaseUrl: options.database.url,
    systemDatabasePool: pool,
    systemDatabaseSchemaName: options.schema ?? (await readEngineSchema((text) => options.database.query(text))),
    executorID: options.executor,
    applicationVersion: engineVersion,
    runMigrations: false,
    useListenNotify: false, // that is for messages between workflows; it takes a connection and 0.1 s of every start
    listenQueues: [],
    schedulerPollingIntervalMs: 60_000,
    logger: quiet(options.log),
  })
  Object.assign(SystemDatabase.prototype, unused)
  await DBOS.launch()
  const ownQueue = wfQueueRunner.getInternalQueue(INTERNAL_QUEUE_NAME)
  if (ownQueue) ownQueue.minPollingIntervalMs = ownQueueEveryMs
  pool.options.max = options.connections
  const executor = DBOSExecutor.globalInstance
  if (!executor) throw new Error('The engine library did not start')
  const runner = wfQueueRunner as unknown as QueuePoller
  /** Leases that polls have taken. How many are running is no measure of it: others end during a poll. */
  let taken = 0
  const dispatch = executor.dispatchDequeuedWorkflows.bind(executor)
  executor.dispatchDequeuedWorkflows = (leaseIds, ownerXid) => {
    taken += leaseIds.length
    return dispatch(leaseIds, ownerXid)
  }
  const pollQueue = async (name: string, budget: number): Promise<void> => {
    const workerConcurrency = executor.systemDatabase.countRunningWorkflowsForQueue(name) + budget
    await runner.pollQueue(executor, { name, minPollingIntervalMs: 1_000, workerConcurrency })
  }
  let first = 0
  return {
    async announce(leaseId) {
      await DBOS.startWorkflow(lease, { workflowID: leaseId })(leaseId).catch((error: unknown) => {
        throw explainOutage(error) // the library tries again by itself after most, not after all
      })
    },
    async poll(budget) {
      const queues = [queueName, ...(await waitingQueues(options.database, options.placements))]
      first++ // queues take turns, so that a full one does not hide the others
      const before = taken
      for (let at = 0; at < queues.length && taken < before + budget; at++) {
        await pollQueue(queues[(first + at) % queues.length] ?? queueName, before + budget - taken)
      }
      return taken - before
    },
    reconnect() {
      for (const client of open) cutConnection(client)
    },
    stopPolling: () => wfQueueRunner.stop(),
    async close() {
      await DBOS.shutdown({ deregister: true }).catch((error) => options.log.debug({ err: error }, 'engine library'))
      await pool.end().catch(() => {})
    },
  }
}

/** Queues of some placements on which leases wait. */
const waitingQueues = async (database: Queries, placements: readonly string[]): Promise<string[]> => {
  if (placements.length === 0) return []
  const rows = await database.rows<{ name: string }>(
    'waiting_queues',
    `select q.name from unnest($1::text[]) q(name)
     where exists (select from lease_status where queue_name = q.name and status = 'ENQUEUED')`,
    [placements.map(queueOf)],
  )
  return rows.map(({ name }) => name)
}

/** SQL condition: the library has given the lease to another process since this one was notified of it. */
export const isGivenToAnother = (id: string, executor: string): string =>
  `exists (select from lease_status where workflow_uuid = ${id} and executor_id <> ${executor})`

/**
 * SQL expression that queues the lease `id`; it stands in the statement that also writes the lease and its runs, which are
 * all of one collection and ask for the same labels. Collections take turns: see `enqueue_lease`.
 */
export const enqueueLease = (id: string, collection: string, placement: string): string =>
  `enqueue_lease(${id}, (${collection})::text, (${placement})::text)`

/** SQL expression: whether a lease waits that a process may take which satisfies some placements. */
export const isQueued = (placements: readonly string[]): string => `exists (
  select from lease_status where status = 'ENQUEUED'
    and queue_name in (${[queueName, ...placements.map(queueOf)].map((name) => `'${name}'`).join(', ')}))`

/**
 * Puts leases of one executor back on their queues, in one statement: for a graceful stop with a new epoch and no owner
 * (nothing that a death would be counted for), for a dead process as it left them. With `satisfied` only leases that ask
 * for labels beside these placements.
 */
export const handOver = async (
  database: Queries,
  executor: string,
  graceful: boolean,
  satisfied: readonly string[] | null = null,
): Promise<number> => {
  const [row] = await database.rows<{ moved: number }>(
    graceful ? 'hand_over_gracefully' : 'hand_over',
    `with moved as materialized (
       update lease_status set status = 'ENQUEUED', owner_xid = null, started_at_epoch_ms = null,
         queue_name = lease_queue((select runs_on from leases where id = workflow_uuid)),
         updated_at = (extract(epoch from now()) * 1000)::bigint
       where status = 'PENDING' and executor_id = $1 and name = '${workflowName}'
         and ($2::text[] is null
           or exists (select from leases where id = workflow_uuid and runs_on is not null and runs_on <> all ($2)))
       returning workflow_uuid id),
     held as materialized (
       select id from leases where id in (select id from moved) and owner = $1 order by id for no key update),
     freed as (
       update leases l set ${graceful ? "epoch = l.epoch + 1, owner = ''" : 'owner = l.owner'}
       from held where l.id = held.id returning 1)
     select (select count(*) from moved)::int moved, (select count(*) from freed)::int freed, pg_notify(channel('runs'), '')`,
    [executor, satisfied],
  )
  return row?.moved ?? 0
}

/** Removes leases in which nothing is open any more, and the library's rows about them; a small batch a call. */
export const pruneLeases = async (database: Queries): Promise<number> => {
  const [row] = await database.rows<{ pruned: number }>(
    'prune_leases',
    `with done as materialized (
       select workflow_uuid id from lease_status w
       where name = '${workflowName}' and status in ('SUCCESS', 'ERROR', 'CANCELLED')
         and updated_at < (extract(epoch from now()) * 1000)::bigint - 10000
         and not exists (select from runs where lease = w.workflow_uuid and ended_at is null)
       order by created_at limit 500),
     outputs as (delete from lease_outputs o using done where o.workflow_uuid = done.id),
     statuses as (delete from lease_status s using done where s.workflow_uuid = done.id),
     gone as (delete from leases l using done where l.id = done.id)
     select count(*)::int pruned from done`,
  )
  return row?.pruned ?? 0
}

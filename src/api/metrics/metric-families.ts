import type { Registry } from 'prom-client'
import type { Engine } from '../../engine/engine.ts'
import type { RequestObserver } from '../../http/options.ts'
import type { MemoryWait } from '../../lib/memory/byte-budget.ts'
import type { Database } from '../../store/database/database.ts'
import { bigint, queryValue } from '../../store/database/table.ts'
import { type DatabaseWatch, databaseStates } from '../../store/database/watch.ts'
import { type SpentToday, spentTodayByModel } from '../../store/runs/stats.ts'
import { readWaits, type Waits } from '../../store/system/waits.ts'

type Prometheus = typeof import('prom-client')

/** From 1 ms to the ten minutes that run-sync may wait. */
const bucketSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600]

interface Children {
  duration: { observe(seconds: number): void }
  byStatus: Map<number, { inc(): void }>
}

/**
 * Counts requests. The library is loaded after the start; earlier requests are queued until then. Labels are resolved
 * once for each operation, not for each request.
 */
export const makeRequestMetrics = () => {
  let early: [string, number, number][] = []
  let count: RequestObserver['answered'] = (...answer) => void early.push(answer)
  let streams = 0
  let refused = 0

  const observer: RequestObserver = {
    answered: (operation, status, seconds) => count(operation, status, seconds),
    connectionRefused: () => void refused++,
    streaming() {
      streams++
      return () => void streams--
    },
  }

  const register = ({ Counter, Gauge, Histogram }: Prometheus, registry: Registry): void => {
    const registers = [registry]
    const requests = new Counter({
      name: 'jetty_http_requests_total',
      help: 'Requests answered, by operation and status.',
      labelNames: ['operation', 'status'],
      registers,
    })
    const durations = new Histogram({
      name: 'jetty_http_request_duration_seconds',
      help: 'Time until the response began, by operation.',
      labelNames: ['operation'],
      buckets: bucketSeconds,
      registers,
    })
    new Gauge({
      name: 'jetty_http_streams_open',
      help: 'Event streams that clients hold open.',
      registers,
      collect() {
        this.set(streams)
      },
    })
    new Counter({
      name: 'jetty_http_connections_refused_total',
      help: 'Connections refused because JETTY_MAX_CONNECTIONS were open.',
      registers,
      collect() {
        this.reset()
        this.inc(refused)
      },
    })
    const known = new Map<string, Children>()
    const childrenOf = (operation: string): Children => {
      const made: Children = { duration: durations.labels(operation), byStatus: new Map() }
      known.set(operation, made)
      return made
    }
    const counterOf = (operation: string, { byStatus }: Children, status: number) => {
      const made = requests.labels(operation, String(status))
      byStatus.set(status, made)
      return made
    }
    count = (operation, status, seconds) => {
      const children = known.get(operation) ?? childrenOf(operation)
      children.duration.observe(seconds)
      const counter = children.byStatus.get(status) ?? counterOf(operation, children, status)
      counter.inc()
    }
    for (const answer of early) count(...answer)
    early = []
  }
  return { observer, register }
}

type Statistics = ReturnType<Engine['statistics']>

const gauges: [name: string, help: string, value: (now: Statistics) => number][] = [
  ['jetty_runs_live', 'Runs in the memory of this process.', ({ live }) => live],
  ['jetty_slots_used', 'Steps that are executing.', ({ slots }) => slots],
  ['jetty_runbooks_working', 'Runbooks that are running.', ({ runbooks }) => runbooks.working],
  ['jetty_runbooks_waiting', 'Runbooks that wait for a free sandbox.', ({ runbooks }) => runbooks.waiting],
  ['jetty_leases_held', 'Leases of runs held by this process.', ({ leases }) => leases],
  [
    'jetty_in_flight_bytes',
    'Memory used by large values of steps, requests and responses.',
    ({ memory }) => memory.used,
  ],
  ['jetty_in_flight_bytes_limit', 'Limit of the memory for large values.', ({ memory }) => memory.total],
  ['jetty_in_flight_waiting', 'Steps, requests and responses that wait for memory.', ({ memory }) => memory.waiting],
  [
    'jetty_in_flight_wait_seconds',
    'How long the longest wait for memory has lasted.',
    ({ memory }) => memory.waits()[0]?.seconds ?? 0,
  ],
  [
    'jetty_calls_spill_bytes',
    'Size of the gateway call records that wait in files for the database, in bytes.',
    ({ records }) => records.spillBytes,
  ],
]

const counters: [name: string, help: string, value: (now: Statistics) => number][] = [
  ['jetty_runs_started_total', 'Runs that this process accepted and stored.', ({ started }) => started],
  ['jetty_journal_commits_total', 'Commits of the journal.', ({ commits }) => commits],
  ['jetty_journal_entries_total', 'Entries that the journal wrote.', ({ entries }) => entries],
  ['jetty_journal_resent_total', 'Commits retried after a database outage.', ({ resent }) => resent],
  ['jetty_calls_recorded_total', 'Gateway calls recorded directly in the database.', ({ records }) => records.recorded],
  [
    'jetty_calls_spilled_total',
    'Gateway calls recorded in a file during a database outage.',
    ({ records }) => records.spilled,
  ],
  [
    'jetty_calls_replayed_total',
    'Gateway call records moved from a file to the database.',
    ({ records }) => records.replayed,
  ],
]

const byLabel: {
  name: string
  help: string
  label: string
  values: (now: Statistics) => Readonly<Record<string, number>>
}[] = [
  {
    name: 'jetty_runs_ended_total',
    help: 'Runs that this process ended, by status.',
    label: 'status',
    values: ({ runsEnded }) => runsEnded,
  },
  {
    name: 'jetty_steps_ended_total',
    help: 'Steps that this process ended, by status.',
    label: 'status',
    values: ({ stepsEnded }) => stepsEnded,
  },
  {
    name: 'jetty_runbooks_ended_total',
    help: 'Runbooks that this process finished: completed, or the reason of their failure.',
    label: 'reason',
    values: ({ runbooks }) => runbooks.ended,
  },
]

const waitGauges: [name: string, help: string, value: (wait: MemoryWait) => number][] = [
  ['jetty_in_flight_waits', 'Waits for memory, by what waits: step, parent of child runs, request.', () => 1],
  ['jetty_in_flight_wanted_bytes', 'Memory that is waited for, by what waits.', ({ bytes }) => bytes],
  ['jetty_in_flight_held_bytes', 'Memory held by what waits for more of it.', ({ heldBytes }) => heldBytes],
]

/** Registers metrics of the engine, read at each scrape. */
export const registerEngine = (
  { Counter, Gauge }: Prometheus,
  registry: Registry,
  { engine, slots }: { engine: Engine; slots: number },
): void => {
  const registers = [registry]
  new Gauge({
    name: 'jetty_slots',
    help: 'Maximum number of steps of one payer that execute at once; an eighth more is for others.',
    registers,
  }).set(slots)
  for (const [name, help, value] of gauges) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(engine.statistics()))
      },
    })
  }
  for (const [name, help, value] of waitGauges) {
    new Gauge({
      name,
      help,
      labelNames: ['kind'],
      registers,
      collect() {
        const waits = engine.statistics().memory.waits()
        for (const kind of ['step', 'parent', 'request']) {
          const sum = waits.reduce((all, wait) => (wait.kind === kind ? all + value(wait) : all), 0)
          this.set({ kind }, sum)
        }
      },
    })
  }
  for (const [name, help, value] of counters) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(value(engine.statistics()))
      },
    })
  }
  for (const { name, help, label, values } of byLabel) {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset()
        for (const [value, total] of Object.entries(values(engine.statistics()))) this.inc({ [label]: value }, total)
      },
    })
  }
}

/** Reading the database size examines each of its files, and spending has rows of each collection: so once a minute. */
const keptMs = 60_000

interface Look {
  up: number
  waits: Partial<Waits>
  bytes: number
  spent: readonly SpentToday[]
}

interface Watched {
  database: Database
  watch: Pick<DatabaseWatch, 'state' | 'clock'>
  /** Statements that Postgres could not carry out, by SQLSTATE. */
  faults: Readonly<Record<string, number>>
}

const databaseSize = queryValue(
  'database_size',
  { bytes: bigint },
  'select pg_database_size(current_database()) as bytes',
)

/**
 * Makes a reader of the database's figures. It makes one query at a time, and during an outage keeps the last figures.
 */
const makeLook = ({ database, watch }: Watched): (() => Promise<Look>) => {
  const last: Look = { up: 0, waits: {}, bytes: 0, spent: [] }
  let measuredMs = Number.NEGATIVE_INFINITY
  let looking: Promise<Look> | undefined

  const look = async (): Promise<Look> => {
    try {
      last.waits = await readWaits(database)
      if (performance.now() - measuredMs > keptMs) {
        last.bytes = await databaseSize(database)
        last.spent = await spentTodayByModel(database)
        measuredMs = performance.now()
      }
      last.up = watch.state === 'up' ? 1 : 0
    } catch {
      last.up = 0
    }
    return last
  }
  return () => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
}

const databaseWaitGauges: [name: string, help: string, figure: keyof Waits][] = [
  ['jetty_leases_queued', 'Queued batches of runs that wait for a worker process.', 'leasesQueued'],
  ['jetty_activity_workers', 'Workers of other programs that take jobs now.', 'workers'],
  ['jetty_worker_jobs_queued', 'Steps that wait for a worker of another program.', 'jobsQueued'],
  ['jetty_worker_jobs_leased', 'Steps that workers of other programs carry out.', 'jobsLeased'],
  ['jetty_webhooks_queued', 'Webhooks to be delivered.', 'webhooks'],
  ['jetty_webhooks_retried', 'Webhooks to be delivered whose last attempt failed.', 'webhooksRetried'],
  ['jetty_routine_fires_waiting', 'Fires of routines that are due and have not started a run.', 'routineFires'],
  ['jetty_collections_paused', 'Collections that are paused.', 'collectionsPaused'],
]

const spentGauges = [
  ['usd', 'Cost of model calls of this day (UTC) by collection and model, as of at most a minute ago.'],
  ['tokens', 'Tokens of model calls of this day (UTC), as of at most a minute ago.'],
  ['calls', 'Model calls of this day (UTC) that used tokens or cost something, as of at most a minute ago.'],
] as const

const ages: [what: string, figure: keyof Waits][] = [
  ['lease', 'leaseSeconds'],
  ['worker_job', 'jobSeconds'],
  ['webhook', 'webhookSeconds'],
  ['routine', 'routineSeconds'],
]

/** Registers metrics that are read from the database at each scrape. */
export const registerDatabase = ({ Counter, Gauge }: Prometheus, registry: Registry, watched: Watched): void => {
  const { database, watch, faults } = watched
  const registers = [registry]
  const look = makeLook(watched)
  const gauge = (name: string, help: string, value: (seen: Look) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(value(await look()))
      },
    })
  gauge('jetty_database_up', '1 while the database answers and accepts writes.', ({ up }) => up)
  new Gauge({
    name: 'jetty_database_state',
    help: '1 for the state of the database: up, read_only, failing (it cannot write: its disk is full or broken) or away.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of databaseStates) this.set({ state }, state === watch.state ? 1 : 0)
    },
  })
  new Counter({
    name: 'jetty_database_faults_total',
    help: 'Statements that PostgreSQL could not carry out, by SQLSTATE: 53100 is a full disk.',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset()
      for (const [code, total] of Object.entries(faults)) this.inc({ code }, total)
    },
  })
  gauge('jetty_database_size_bytes', 'Size of the database, as of at most a minute ago.', ({ bytes }) => bytes)
  for (const [figure, help] of spentGauges) {
    new Gauge({
      name: `jetty_spent_today_${figure}`,
      help,
      labelNames: ['collection', 'model'],
      registers,
      async collect() {
        const { spent } = await look()
        this.reset()
        for (const { collection, model, [figure]: value } of spent) this.set({ collection, model }, value)
      },
    })
  }
  for (const [name, help, figure] of databaseWaitGauges) gauge(name, help, ({ waits }) => waits[figure] ?? 0)
  new Gauge({
    name: 'jetty_oldest_wait_seconds',
    help: 'How long the oldest has waited: a batch of runs, a step for a worker of another program, a webhook or a fire of a routine that is due.',
    labelNames: ['what'],
    registers,
    async collect() {
      const { waits } = await look()
      for (const [what, figure] of ages) this.set({ what }, waits[figure] ?? 0)
    },
  })
  new Gauge({
    name: 'jetty_clock_skew_seconds',
    help: 'How far the clock of this machine is ahead of the database clock.',
    registers,
    collect() {
      this.set(watch.clock.skewMs / 1000)
    },
  })
  new Gauge({
    name: 'jetty_database_connections',
    help: 'Connections of the pool (used, idle) and calls that wait for one (waiting).',
    labelNames: ['state'],
    registers,
    async collect() {
      await look() // opens its own connection now, so that the figures do not count it
      for (const [state, total] of Object.entries(database.statistics())) this.set({ state }, total)
    },
  })
}

import type { Registry } from 'prom-client'
import type { Engine } from '../../engine/engine.ts'
import type { MemoryWait } from '../../lib/memory/byte-budget.ts'

type Prometheus = typeof import('prom-client')
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

import type { Registry } from 'prom-client'
import type { Engine } from '../../engine/engine.ts'

type Prometheus = typeof import('prom-client')
type Statistics = ReturnType<Engine['statistics']>

const gauges: [name: string, help: string, value: (now: Statistics) => number][] = [
  ['jetty_runs_live', 'Runs that this process has in memory.', ({ live }) => live],
  ['jetty_slots_used', 'Steps that execute right now.', ({ slots }) => slots],
  ['jetty_runbooks_working', 'Runbooks that are carried out right now.', ({ runbooks }) => runbooks.working],
  ['jetty_runbooks_waiting', 'Runbooks that wait for a free sandbox.', ({ runbooks }) => runbooks.waiting],
  ['jetty_leases_held', 'Leases over runs that this process has.', ({ leases }) => leases],
  [
    'jetty_in_flight_bytes',
    'Memory that large values of steps, requests and answers take.',
    ({ memory }) => memory.used,
  ],
  ['jetty_in_flight_bytes_limit', 'How much they may take together.', ({ memory }) => memory.total],
  ['jetty_in_flight_waiting', 'Steps, requests and answers that wait for memory.', ({ memory }) => memory.waiting],
  [
    'jetty_calls_spill_bytes',
    'Recorded calls of the gateway that wait in files for the database, in bytes.',
    ({ records }) => records.spillBytes,
  ],
]

const counters: [name: string, help: string, value: (now: Statistics) => number][] = [
  ['jetty_runs_started_total', 'Runs that this process accepted and wrote down.', ({ started }) => started],
  ['jetty_journal_commits_total', 'Commits of the journal.', ({ commits }) => commits],
  ['jetty_journal_entries_total', 'Entries that the journal wrote.', ({ entries }) => entries],
  ['jetty_journal_resent_total', 'Commits sent again after the database was away.', ({ resent }) => resent],
  [
    'jetty_calls_recorded_total',
    'Calls of the gateway that were recorded in the database at once.',
    ({ records }) => records.recorded,
  ],
  ['jetty_calls_spilled_total', 'Those recorded in a file, as it was away.', ({ records }) => records.spilled],
  ['jetty_calls_replayed_total', 'Those brought from a file to the database.', ({ records }) => records.replayed],
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
    help: 'Runbooks that this process carried out to their end: completed, or the reason why they failed.',
    label: 'reason',
    values: ({ runbooks }) => runbooks.ended,
  },
]

/** Registers metrics of the engine, read at each scrape. */
export const registerEngine = (
  { Counter, Gauge }: Prometheus,
  registry: Registry,
  { engine, slots }: { engine: Engine; slots: number },
): void => {
  const registers = [registry]
  new Gauge({ name: 'jetty_slots', help: 'Steps that may execute at once.', registers }).set(slots)
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

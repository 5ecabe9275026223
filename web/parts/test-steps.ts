import type { Run, RunStep, WholeStep } from '../data/run.ts'

const epoch = Date.parse('2026-11-28T12:00:00Z')

/** The moment that many milliseconds after noon. */
export const at = (ms: number): string => new Date(epoch + ms).toISOString()

/** A completed step from `from` to `to` ms after noon, with other members where they matter. */
export const step = (key: string, from = 0, to: number | null = from + 10, other: Partial<RunStep> = {}): RunStep => ({
  activity: 'text_echo',
  key,
  status: to === null ? 'running' : 'completed',
  error: null,
  created: at(from),
  ended: to === null ? null : at(to),
  duration_seconds: to === null ? null : (to - from) / 1000,
  attempt: 1,
  depends_on: [],
  ready_at: null,
  ...other,
})

/** What a step has beside that when it is loaded whole. */
export const whole: Omit<WholeStep, keyof RunStep> = {
  author: 'admin',
  recorded_by: 'admin',
  origin: { task: 'acme/t', task_version: 'v' },
  inputs: {},
  outputs: {},
  config: {},
  origins: {},
  large_values: [],
}

/** A run of these steps; `total_steps` are their names unless given. */
export const runOf = (steps: RunStep[], other: Partial<Run> = {}): Run => ({
  name: 'acme/t',
  trajectory_id: '3a87272f',
  workflow_id: 'w',
  collection: 'acme',
  task: 't',
  storage_path: 'acme/t/0000',
  status: 'completed',
  waiting: null,
  attributes: { asset_type: 'trajectory', asset_filename: '3a87272f.json', created: at(0), params: {} },
  created: at(0),
  updated: at(0),
  started: at(0),
  ended: at(1000),
  duration_seconds: 1,
  author: 'admin',
  recorded_by: 'admin',
  metadata_uri: '',
  steps: Object.fromEntries(steps.map((one) => [one.key, one])),
  labels: [],
  total_steps: steps.map(({ key }) => key),
  completed_steps: [],
  init_params: {},
  large_values: [],
  task_version: 'v',
  version_number: 7,
  usage: null,
  cost_usd: null,
  error_detail: null,
  org_id: null,
  error: null,
  triggered_by_routine_id: null,
  webhook_url: null,
  trial: null,
  url: '',
  ...other,
})

import type { Step } from '../../model/runs/step.ts'
import type { Trajectory } from '../../model/runs/trajectory.ts'
import { placeText } from '../input/places.ts'
import { cliWords } from './cli-words.ts'
import { lastOutputs, liveText } from './follow-run.ts'
import { duration, fields, moment, paintStatus, safe, table } from './output.ts'

type Pair = [name: string, value: string]

/** Characters of one value in the overview; `--step` and `--json` show all of it. */
const mostShown = 300

const shortened = (text: string): string =>
  text.length <= mostShown ? text : `${text.slice(0, mostShown)}… (${text.length.toLocaleString('en')} characters)`

const valueText = (value: unknown): string =>
  shortened(typeof value === 'string' && !value.includes('\n') ? value : JSON.stringify(value))

/** Prints each member of an object on its own line; nothing for an empty object. */
const memberLines = (name: string, members: Record<string, unknown>): Pair[] =>
  Object.entries(members).map(([key, value], at) => [at === 0 ? name : '', `${key} = ${valueText(value)}`])

const modelsOf = (steps: Step[]): string[] => [
  ...new Set(
    steps.flatMap(({ inputs, outputs }) => [outputs.model ?? inputs.model]).filter((one) => typeof one === 'string'),
  ),
]

const costOf = (step: Step): unknown =>
  step.outputs.cost_usd ?? (step.outputs.usage as { cost_usd?: unknown })?.cost_usd

/** Sums the cost of the run's own model calls, and says if a part of it is unknown. */
const costText = (steps: Step[]): string => {
  const costs = steps.filter(({ outputs }) => typeof outputs.model === 'string').map(costOf)
  const known = costs.filter((one): one is number => typeof one === 'number')
  const total = Number(known.reduce((sum, one) => sum + one, 0).toFixed(6))
  const sum = total > 0 && steps.some(({ usage }) => usage?.estimated) ? `about $${total}` : `$${total}`
  if (known.length === costs.length) return sum
  return known.length === 0 ? 'unknown' : `${sum}, plus calls of unknown cost`
}

/** Lists the open decisions of a run, with the commands that decide them. */
const waitingLines = ({ waiting }: Trajectory, place: string): Pair[] =>
  (waiting ?? []).flatMap(({ step, message, since, expires_at: until }): Pair[] => [
    [
      'waiting',
      `step ${step} has waited for a decision since ${moment(since)}${until ? `, until ${moment(until)}` : ''}`,
    ],
    ...(message ? ([['', message.replace(/\s*\n\s*/g, ' ')]] as Pair[]) : []),
    ['', `approve: jetty approve ${place} ${step}`],
    ['', `reject:  jetty approve ${place} ${step} --reject`],
  ])

const stepTable = (steps: Step[]): string =>
  table(
    [
      'STEP',
      'STATUS',
      'ACTIVITY',
      'DURATION',
      steps.some(({ progress, job }) => progress ?? job) ? 'PROGRESS' : 'ERROR',
    ],
    steps.map((step) => [
      step.key,
      step.status,
      step.activity,
      duration(step.duration_seconds),
      liveText(step) ?? cliWords(step.error ?? ''),
    ]),
    (text, column) => (column === 1 ? paintStatus(text) : text),
  )

const mostFiles = 10

/** Storage paths of the file objects in outputs, at any depth. */
const filePathsIn = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return []
  const { path, content_type: type } = value as Record<string, unknown>
  if (typeof path === 'string' && typeof type === 'string') return [path]
  return Object.values(value).flatMap(filePathsIn)
}

/** Lists the commands that download the files of a run. */
const fileLines = (steps: Step[]): Pair[] => {
  const paths = [...new Set(steps.flatMap(({ outputs }) => filePathsIn(outputs)))]
  const lines = paths.slice(0, mostFiles).map((path) => `jetty files down ${path}`)
  const more = paths.length - lines.length
  return [...lines, ...(more > 0 ? [`and ${more} more, in the outputs of the steps`] : [])].map(
    (line, at): Pair => [at === 0 ? 'files' : '', line],
  )
}

/** Leads to the child runs of a run, whose cost is not part of its own. */
const childLines = (steps: Step[], place: string): Pair[] => {
  const children = steps.flatMap(({ outputs }) => outputs.trajectory_references ?? [])
  const [collection = ''] = place.split('/')
  if (children.length === 0) return []
  return [['child runs', `${children.length}, each with its own cost: jetty runs ls ${collection} --parent ${place}`]]
}

/** Describes a run for a person: its inputs, outputs, cost and steps. */
export const runOverview = (run: Trajectory): string => {
  const [collection = '', task = ''] = run.name.split('/')
  const place = placeText({ collection, task, trajectory_id: run.trajectory_id })
  const steps = Object.values(run.steps)
  const models = modelsOf(steps)
  const head = fields([
    ['run', place],
    ['status', statusText(run), (text) => text.replace(/^\S+/, paintStatus)],
    ...waitingLines(run, place),
    ['created', moment(run.created)],
    ['duration', duration(run.duration_seconds)],
    ...memberLines('parameters', run.init_params),
    ...(run.error ? ([['error', safe(cliWords(run.error))]] as Pair[]) : []),
    ...(run.status === 'completed' ? memberLines('result', lastOutputs(run)) : []),
    ...fileLines(steps),
    ...(models.length > 0
      ? ([
          ['model', models.join(', ')],
          ['cost', costText(steps)],
        ] as Pair[])
      : []),
    ...childLines(steps, place),
    ...(run.labels.length > 0
      ? ([['labels', run.labels.map(({ key, value }) => `${key}:${value}`).join('  ')]] as Pair[])
      : []),
  ])
  return `${head}\n\n${stepTable(steps)}`
}

/** The status in a table: `waiting` where a run is open and waits for a person. */
export const shortStatus = ({ status, waiting }: { status: string; waiting?: readonly unknown[] | null }): string =>
  waiting ? 'waiting' : status

/** Names the status of a run, and what it waits for: a person, or a server with labels. */
export const statusText = ({
  status,
  waiting,
  runs_on: runsOn,
}: Pick<Trajectory, 'status' | 'waiting' | 'runs_on'>): string => {
  if (waiting) return `${status} (waiting for a person)`
  return runsOn?.servers === 0 ? `${status} (no server has the labels ${runsOn.labels.join(' and ')})` : status
}

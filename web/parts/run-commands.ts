import { parsedJson } from '../../src/lib/json/json-object.ts'
import { isObserved, isOpen, type Run } from '../data/run.ts'

/** A command that does the same as the page. */
interface RunCommand {
  /** What it does. */
  title: string
  line: string
}

/** How a run is to be executed again. */
export interface RerunWish {
  from?: string | undefined
  current?: boolean
  replay?: boolean
  /** Parameters that differ from the run's own. */
  params?: Record<string, unknown>
}

const safeWord = /^[A-Za-z0-9_./:=@%+,-]+$/

/** One word for a POSIX shell. */
export const shellWord = (text: string): string => (safeWord.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

const line = (...words: string[]): string => ['jetty', ...words.map(shellWord)].join(' ')

type NamedRun = Pick<Run, 'collection' | 'task' | 'trajectory_id'>

/** `collection/task/id`: how the command line names a run. */
const runName = ({ collection, task, trajectory_id: id }: NamedRun): string => `${collection}/${task}/${id}`

/** A value after `-p name=`: JSON is sent as JSON, and a text as it is where it cannot be taken for JSON or a file. */
const paramWord = (name: string, value: unknown): string => {
  if (typeof value !== 'string') return `${name}=${JSON.stringify(value)}`
  return `${name}=${isPlainParam(value) ? value : JSON.stringify(value)}`
}

const isPlainParam = (text: string): boolean => !text.startsWith('@') && parsedJson(text) === undefined

/** The command that runs a run again in the chosen way. */
export const rerunCommand = (run: Run, { from, current, replay, params = {} }: RerunWish): string =>
  line(
    replay ? 'replay' : 'rerun',
    runName(run),
    ...(from === undefined || replay ? [] : ['--from', from]),
    ...(current ? ['--current'] : []),
    ...Object.entries(params).flatMap(([name, value]) => ['-p', paramWord(name, value)]),
  )

interface NamedEvent {
  collection: string
  event: string
  key: string
}

/** The command that sends an event; its payload is left to the reader. */
export const sendEventCommand = ({ collection, event, key }: NamedEvent): string =>
  line('events', 'send', collection, event, key, '-p', 'name=value')

/** The same as a request of curl. */
export const sendEventRequest = ({ collection, event, key }: NamedEvent, origin: string): string =>
  [
    ...['curl', shellWord(`${origin}/api/v1/events/${collection}`), '-H', '"Authorization: Bearer $JETTY_TOKEN"'],
    ...['--json', shellWord(JSON.stringify({ event, key, payload: {} }))],
  ].join(' ')

export const approveCommand = (run: NamedRun, step: string, decision: 'approve' | 'reject', comment: string): string =>
  line(
    'approve',
    runName(run),
    step,
    ...(decision === 'reject' ? ['--reject'] : []),
    ...(comment === '' ? [] : ['--comment', comment]),
  )

export const cancelCommand = (run: Run): string => line('runs', 'cancel', runName(run))

export const stepCommand = (run: Run, step: string): string => line('runs', 'get', runName(run), '--step', step)

/** Where a model call has what the model said. */
export const answerPath = 'outputs.text'

/** The command that makes an item of a dataset of a run, or of a model call in it. */
export const addToDatasetCommand = (dataset: string, run: string, step: string | undefined): string =>
  line('datasets', 'add', dataset, run, ...(step === undefined ? [] : ['--step', step, '--output-path', answerPath]))

export const labelCommand = (run: Run, key: string, value: string): string =>
  line('labels', 'add', runName(run), value === '' ? key : `${key}=${value}`)

/** What the command line offers for a run in its state, the most likely first. */
export const commandsFor = (run: Run, failedStep: string | undefined): RunCommand[] => {
  const name = runName(run)
  const waiting = run.waiting?.[0]
  if (isOpen(run)) {
    return [
      ...(waiting
        ? [{ title: `Approve ${waiting.step}`, line: approveCommand(run, waiting.step, 'approve', '') }]
        : []),
      { title: 'Follow it', line: line('runs', 'watch', name) },
      { title: 'Read its log', line: line('runs', 'logs', name, '--follow') },
      { title: 'Cancel it', line: cancelCommand(run) },
    ]
  }
  if (isObserved(run)) {
    return [
      { title: 'Show it', line: line('runs', 'get', name) },
      { title: 'Download it', line: line('runs', 'download', name) },
    ]
  }
  return [
    ...(failedStep === undefined
      ? []
      : [{ title: `Run it again from ${failedStep}`, line: rerunCommand(run, { from: failedStep }) }]),
    { title: 'Show it', line: line('runs', 'get', name) },
    { title: 'Read its log', line: line('runs', 'logs', name) },
    ...(failedStep === undefined ? [{ title: 'Run it again', line: rerunCommand(run, {}) }] : []),
    { title: 'Replay it without calling anything', line: rerunCommand(run, { replay: true }) },
    { title: 'Download it with its files', line: line('runs', 'download', name) },
  ]
}

import pc from 'picocolors'
import { follow } from '../../client/follow.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { LogEvent, RunEvent } from '../../model/runs/run-events.ts'
import type { LiveJob, Step, StepLog, StepProgress } from '../../model/runs/step.ts'
import type { Trajectory } from '../../model/runs/trajectory.ts'
import { interruption } from '../exit.ts'
import { placeText, type RunPlace } from '../input/places.ts'
import { makeAgentState } from '../runbooks/agent-state.ts'
import { agentEventOf, agentEventText } from '../runbooks/agent-text.ts'
import type { Session } from '../session.ts'
import { cliWords } from './cli-words.ts'
import { duration, hanging, paintStatus, safe } from './output.ts'
import { makeProgressLine } from './progress-line.ts'

/** Describes how far a running step is; undefined if it does not say. */
export const liveText = ({ progress, job }: Pick<Step, 'progress' | 'job'>): string | undefined =>
  progress ? fanOutText(progress) : job ? jobLine(job) : undefined

/** `412 of 1,000 runs ended, 3 failed`. */
const fanOutText = ({ total, begun, ended, failed, cancelled }: StepProgress): string => {
  const count = (value: number) => value.toLocaleString('en')
  const others = [failed > 0 ? `${count(failed)} failed` : '', cancelled > 0 ? `${count(cancelled)} cancelled` : '']
  return [`${count(ended)} of ${count(total ?? begun)} runs ended`, ...others].filter((text) => text !== '').join(', ')
}

/** `40 %, resizing (gpu-box)`. */
const jobLine = ({ state, worker, progress, message }: LiveJob): string => {
  if (state === 'queued') return 'waits for a worker'
  const said = [progress === null ? '' : `${Math.floor(progress * 100)} %`, message ?? ''].filter((text) => text !== '')
  return `${said.length > 0 ? said.join(', ') : 'a worker has it'}${worker === null ? '' : ` (${worker})`}`
}

const levelColours: Record<string, (text: string) => string> = { info: pc.cyan, error: pc.red }

/** Describes an ended step in a line. The error of a failed one follows below. */
export const stepLine = (step: Step, place: string, isBrief: boolean): string => {
  const mark = step.status === 'completed' ? pc.green('✓') : step.status === 'failed' ? pc.red('✗') : pc.yellow('-')
  const tries = step.attempt > 1 ? `, attempt ${step.attempt}` : ''
  const took = step.origin.trajectory_id ? `taken from ${step.origin.trajectory_id}` : duration(step.duration_seconds)
  const hint = cliWords(step.error_detail?.hint ?? '')
  const error =
    step.error && !isBrief
      ? `\n    ${pc.red(hanging(cliWords(step.error), 4))}${hint ? `\n    ${pc.dim(safe(hint))}` : ''}`
      : ''
  return `${mark} ${pc.dim(place)} ${safe(step.key)} ${pc.dim(`${safe(step.activity)}, ${safe(took)}${tries}`)}${error}`
}

const textOf = (name: string, live: Pick<Step, 'progress' | 'job'>): string => {
  const text = liveText(live)
  return text === undefined ? name : `${name} · ${text}`
}

/** Makes a counter of the workflow's steps that have begun. All iterations of a looped step count as one. */
const makeProgress = () => {
  const met = new Set<string>()
  let all: string[] = []
  return {
    of: (names: string[]) => (all = names),
    meet(name: string): string {
      met.add(all.includes(name) ? name : name.replace(/__\d+$/, ''))
      return `${met.size}/${Math.max(all.length, met.size)}`
    },
  }
}

/** Whether a step waits for a worker that is not there, or has lost one. */
const isWorkerWarning = ({ type, level }: StepLog | LogEvent): boolean => type === 'worker' && level === 'warning'

interface FollowOptions {
  /** Shows what the steps log, and what agents do. */
  isDetailed?: boolean
  /** Receives the events of agents. */
  onAgent?: (event: NewAgentEvent) => void
  /** True to show what happened before the first connection. */
  isFromBeginning?: boolean
  /** True if the caller prints how the run ended. */
  isEndLeftOut?: boolean
}

/**
 * Watches a run to its end and returns its document. Prints progress to stderr: a line for each ended step and for each
 * wait for a decision, and on a terminal a line that moves. Reconnects after a lost connection.
 */
export const followRun = async (
  session: Session,
  place: RunPlace,
  { isDetailed = false, onAgent, isFromBeginning = false, isEndLeftOut = false }: FollowOptions = {},
): Promise<Trajectory> => {
  const { client, out, signal } = session
  const begun = Date.now()
  const ended = new Set<string>()
  const progress = makeProgress()
  const agent = makeAgentState()
  let current = 'waiting to start'
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${safe(current)} ${pc.dim(duration((Date.now() - begun) / 1000))}`, 60)
  const say = (text: string) => {
    line?.clear()
    out.note(text)
  }
  const onStep = (step: Step) => {
    if (ended.has(step.key)) return
    const place = progress.meet(step.key)
    if (step.status === 'running' || step.status === 'pending') current = `${place} ${textOf(step.key, step)}`
    else {
      ended.add(step.key)
      say(stepLine(step, place, isEndLeftOut))
    }
  }
  const onLive = (step: string, live: Pick<Step, 'progress' | 'job'>) => {
    current = `${progress.meet(step)} ${textOf(step, live)}`
  }
  const onStatus = ({ waiting }: Pick<Trajectory, 'waiting'>) => {
    const [first] = waiting ?? []
    if (first) current = `${first.step} waits for a person`
  }
  const onAgentEvent = (event: NewAgentEvent) => {
    agent.tell(event)
    current = agent.text()
    onAgent?.(event)
    const text = isDetailed ? agentEventText(event) : undefined
    if (text !== undefined) say(text)
  }
  const onLog = (log: StepLog | LogEvent) => {
    const { level, type, message } = log
    const step = 'step' in log ? log.step : undefined
    const event = agentEventOf(log)
    if (event !== undefined) return onAgentEvent(event)
    if ((!isDetailed || isEndLeftOut) && !/^(approval|event)_/.test(type) && !isWorkerWarning(log)) return
    say(`  ${(levelColours[level] ?? pc.yellow)(level)} ${step ? `${safe(step)}: ` : ''}${hanging(message, 4)}`)
    if (type === 'event_awaited') say(pc.dim(`    continue with: ${eventCommand(place, log)}`))
    if (type === 'approval_requested') say(pc.dim(`    decide with: jetty approve ${placeText(place)}`))
  }
  const onEvent = (told: RunEvent) => {
    if (told.event === 'snapshot') {
      progress.of(told.data.total_steps)
      const { runs_on: runsOn } = told.data
      if (runsOn?.servers === 0) current = `waiting for a server with the labels ${runsOn.labels.join(' and ')}`
      for (const step of Object.values(told.data.steps)) {
        onStep(step)
        if (step.status === 'running') for (const log of step.logs ?? []) onLog(log)
      }
    } else if (told.event === 'progress') onLive(told.data.step, { progress: told.data })
    else if (told.event === 'job') onLive(told.data.step, { job: told.data })
    else if (told.event === 'status') onStatus(told.data)
    else if (told.event === 'step') onStep(told.data)
    else if (told.event === 'log') onLog(told.data)
  }
  const watch = (headers: Record<string, string>, aborted: AbortSignal) =>
    client.watchTrajectory({ params: place, headers, signal: aborted })
  const events = follow<RunEvent>(watch, {
    signal,
    ...(isFromBeginning ? { after: '0' } : {}),
    onBreak: () => say(pc.yellow('The connection was lost; reconnecting')),
  })
  try {
    for await (const event of events) onEvent(event)
  } finally {
    line?.stop()
  }
  if (signal.aborted) throw goesOn(place)
  const trajectory = await client.getTrajectory({ params: place })
  const took = pc.dim(duration(trajectory.duration_seconds))
  if (!isEndLeftOut) out.note(`${paintStatus(trajectory.status)} ${placeText(place)} ${took}`)
  return trajectory
}

/** The command that sends the event of which a message says that a step waits for it. */
const eventCommand = ({ collection }: RunPlace, { attributes }: Pick<StepLog, 'attributes'>): string =>
  `jetty events send ${[collection, attributes.event, attributes.key].map((word) => quoted(String(word))).join(' ')}`

/** A word as a shell takes it unchanged. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

const goesOn = (place: RunPlace): Error =>
  interruption(
    `The run continues on the server: ${placeText(place)}`,
    `Watch it with:  jetty runs watch ${placeText(place)}\nCancel it with: jetty runs cancel ${placeText(place)}`,
  )

/** Outputs of the last step that completed: what a run is for. */
export const lastOutputs = (trajectory: Trajectory): Record<string, unknown> =>
  Object.values(trajectory.steps).findLast((step) => step.status === 'completed')?.outputs ?? {}

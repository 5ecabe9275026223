import { setTimeout as delay } from 'node:timers/promises'
import {
  type Activity,
  type ActivityContext,
  type ChildRun,
  FailedWith,
  type Json,
  WaitForRuns,
} from '../../../activities/activity.ts'
import { backoffMs } from '../../../lib/backoff.ts'
import { AppError } from '../../../lib/errors.ts'
import { isObject } from '../../../lib/json/json-object.ts'
import { schemaPieces } from '../../../lib/json-schema/json-schema.ts'
import { jsonSize, uncountedBytes } from '../../../lib/memory/json-memory.ts'
import { doInSlices } from '../../../lib/slices.ts'
import { now } from '../../../lib/time.ts'
import { addCallUsage } from '../../../model/gateway/model-totals.ts'
import type { ToolBegin, ToolEnd, ToolRequest } from '../../../model/runs/step-call.ts'
import type { OfferedTool, StepTools } from '../../../model/runs/step-tools.ts'
import { readRunUsage } from '../../../store/calls/budget.ts'
import { Fenced } from '../../journal/journal-sender.ts'
import { runReader } from '../../journal/read-runs.ts'
import { childKey } from '../../leases/run-keys.ts'
import type { ProgramTool } from '../../program/tools.ts'
import type { OwnContext } from '../activity-context.ts'
import { asStepError, checkedParameters, isWait } from '../execute.ts'
import type { StepAtWork } from '../step-at-work.ts'
import type { StepSide } from '../step-side.ts'
import type { StepCalls } from './step-calls.ts'
import { activityResult, type CallOutcome, cutResult, failureResult, readArguments } from './tool-call.ts'

/** What the tool calls of one attempt of a step share. */
interface ToolScope {
  work: StepAtWork
  calls: StepCalls
  /** Parameters of the step, resolved: with the values that its tools fix. */
  parameters: Record<string, unknown>
  signal(): AbortSignal
  /** The tools of the step. A tool that starts a task has the parameters of that task. */
  tools(): Promise<ProgramTool[]>
  /** The run that the step is about to wait for: it waits for one at a time. */
  waiting: Promise<WaitForRuns<never>> | undefined
  /** Makes the context of a tool call, with files and warnings of its own. */
  contextOf(side: StepSide, own: OwnContext, signal: () => AbortSignal): ActivityContext
}

/** The parameters of a tool that the workflow fixes, resolved. */
const fixedBy = ({ parameters }: ToolScope, at: number): Record<string, unknown> =>
  (parameters.tools as { config: Record<string, unknown> }[])[at]?.config ?? {}

/** Tries of one call whose failure may pass. */
const mostTries = 3
const toolBackoff = { firstMs: 500, longestMs: 30_000, factor: 4 }

interface ActivityCall {
  name: string
  activity: Activity
  parameters: Record<string, unknown>
  timeoutSeconds: number
  /** Fires when the step ends. */
  signal: AbortSignal
  /** Makes the context of one try. */
  contextOf(signal: AbortSignal): ActivityContext
}

/** Whether an error is about the step and not about the call: the model is not told. */
const isOfStep = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted || error instanceof Fenced || (error instanceof AppError && error.code === 'database_unavailable')

/** Executes the activity of a tool. What may pass is tried again. Throws its failure. */
const callActivity = async (call: ActivityCall): Promise<Record<string, Json> | FailedWith> => {
  const parameters = checkedParameters({ name: call.name, activity: call.activity }, call.parameters)
  for (let tries = 1; ; tries++) {
    try {
      return await tryActivity(call, parameters)
    } catch (thrown) {
      const error = asStepError(thrown)
      if (isOfStep(thrown, call.signal) || !error.retryable || tries >= mostTries) throw thrown
      const { retryAfterSeconds: asked } = error
      const pauseMs = Math.max(backoffMs(tries, toolBackoff, asked), toolBackoff.firstMs)
      await delay(Math.min(pauseMs, toolBackoff.longestMs), undefined, { signal: call.signal })
    }
  }
}

const tryActivity = async (call: ActivityCall, parameters: Record<string, unknown>) => {
  const { name, activity, timeoutSeconds, signal } = call
  const timeout = new AbortController()
  const until = AbortSignal.any([signal, timeout.signal])
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AppError('timed_out', `Tool '${name}' timed out after ${timeoutSeconds} s`, { retryable: false }))
      timeout.abort()
    }, timeoutSeconds * 1000)
  })
  try {
    const result = await Promise.race([activity.run(parameters, call.contextOf(until)), over])
    if (isWait(result)) throw new AppError('activity_failed', `${activity.name} waits, and cannot be a tool`)
    return result
  } finally {
    clearTimeout(timer)
  }
}

interface Carried {
  call: ToolRequest
  ordinal: number
  side: StepSide
  /** Index of the tool in its step. */
  at: number
}

/** Executes the activity of a tool. A failure of the call is an outcome; throws what is about the step. */
const outcomeOfActivity = async (scope: ToolScope, tool: ProgramTool, carried: Carried): Promise<CallOutcome> => {
  const { work, signal } = scope
  const { side } = carried
  const read = readArguments(tool, carried.call.arguments)
  if ('refusal' in read) return { status: 'refused', content: `Error: ${read.refusal}.` }
  try {
    return await resultOf(scope, tool, carried, read.given)
  } catch (thrown) {
    discard(work, side)
    if (isOfStep(thrown, signal())) throw thrown
    return failureResult(asStepError(thrown), work.run.environment.scrub)
  }
}

/** Removes the files of a try that failed. */
const discard = ({ engine }: StepAtWork, { files }: StepSide): void => {
  const objects = files.splice(0).map(({ object }) => object)
  if (objects.length > 0) void engine.objects.remove(objects).catch(() => {})
}

const hasBegun = (calls: StepCalls, { turn, id }: ToolRequest): boolean =>
  calls.rows.some((row) => row.type === 'tool_started' && row.turn === turn && row.id === id)

const resultOf = async (
  scope: ToolScope,
  tool: ProgramTool,
  { call, ordinal, side, at }: Carried,
  given: Record<string, unknown>,
): Promise<CallOutcome> => {
  const { work, calls, signal } = scope
  const { engine, run, place, memory } = work
  const { activity } = tool
  if (!activity) throw new AppError('internal', `Tool '${tool.name}' has no activity`)
  const fixed = fixedBy(scope, at)
  const interrupted = hasBegun(calls, call)
  const own: OwnContext = { idempotencyKey: `${run.key}/${place.seq}/${ordinal}`, interrupted }
  let hasStarted = interrupted
  const recordStart = async (): Promise<void> => {
    if (hasStarted) return
    hasStarted = true
    await calls.add({ type: 'tool_started', turn: call.turn, id: call.id, tool: tool.name })
  }
  const result = await callActivity({
    name: tool.name,
    activity,
    parameters: { ...given, ...fixed },
    timeoutSeconds: tool.timeoutSeconds ?? activity.timeoutSeconds ?? engine.limits.stepTimeoutSeconds,
    signal: signal(),
    contextOf(until) {
      discard(work, side) // of a failed try
      const context = scope.contextOf(side, own, () => until)
      // A spread leaves the signal out, which is a getter.
      return { ...context, signal: until, recordStart }
    },
  })
  const outputs = result instanceof FailedWith ? result.outputs : result
  const size = jsonSize(outputs, engine.limits.maxOutputBytes)
  if (size > uncountedBytes) await memory.room(2 * size)
  return activityResult(result, run.environment.scrub)
}

const shownIssues = 5

const typeOf = (value: unknown): object =>
  typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number' ? { type: typeof value } : {}

/** The parameters of a task that its input_schema does not describe: its init_params, with their types. */
const schemaOfDefaults = (initParams: Record<string, unknown>): Record<string, unknown> => ({
  type: 'object',
  properties: Object.fromEntries(Object.entries(initParams).map(([name, value]) => [name, typeOf(value)])),
  additionalProperties: false,
})

/** A tool that starts a task, with the parameters that its model may set. */
const describedTask = async ({ engine, run }: StepAtWork, tool: ProgramTool): Promise<ProgramTool> => {
  const { task = '', bindings } = tool
  const found = await engine.taskInputs(run, task)
  const schema = tool.schema ?? found.inputSchema ?? schemaOfDefaults(found.initParams)
  const fixed = new Set(bindings.map(({ parameter }) => parameter))
  const properties = isObject(schema.properties) ? schema.properties : {}
  const free = Object.keys(properties).filter((name) => !fixed.has(name) && tool.settable?.has(name) !== false)
  const required = Array.isArray(schema.required) ? schema.required.filter((name) => free.includes(name)) : []
  return {
    ...tool,
    settable: new Set(free),
    schema: {
      ...schema,
      type: 'object',
      properties: Object.fromEntries(free.map((name) => [name, properties[name]])),
      required,
    },
  }
}

/** Why a run cannot take the parameters of a call; undefined if it can. */
const unfitInputs = async (
  { schema, task }: ProgramTool,
  given: Record<string, unknown>,
  fixed: Record<string, unknown>,
  mostBytes: number,
): Promise<string | undefined> => {
  if (Buffer.byteLength(JSON.stringify({ ...given, ...fixed })) > mostBytes) {
    return `the parameters of a run of '${task}' are larger than ${mostBytes} bytes`
  }
  const issues = (await doInSlices(schemaPieces(schema ?? {}, given))).slice(0, shownIssues)
  return issues.length === 0
    ? undefined
    : issues.map(({ path, message }) => `${path.join('.') || 'the arguments'} ${message}`).join('; ')
}

interface TaskCall {
  work: StepAtWork
  calls: StepCalls
  tool: ProgramTool
  call: ToolRequest
  initParams: Record<string, unknown>
  /** Records the result of the call. */
  end(outcome: CallOutcome, ofRun: Pick<ToolEnd, 'trajectory_id' | 'run_tokens' | 'cost_usd'>): Promise<void>
}

/** The record of the run that a call starts. Written before the run: a resumed step finds it again by its index. */
const beginOf = async ({ calls, tool, call, initParams }: TaskCall): Promise<ToolBegin & { index: number }> => {
  const begun = calls.rows.filter((row) => row.type === 'tool_started' && row.index !== undefined) as (ToolBegin & {
    index: number
  })[]
  const known = begun.find(({ turn, id }) => turn === call.turn && id === call.id)
  if (known) return known
  const { turn, id } = call
  const begin = { type: 'tool_started' as const, turn, id, tool: tool.name, task: tool.task ?? '', index: begun.length }
  await calls.add({ ...begin, init_params: initParams })
  return begin
}

/** Starts a run for a tool call, and says what to wait for. */
const startTask = async (asked: TaskCall): Promise<WaitForRuns<never>> => {
  const { work, tool, initParams, end } = asked
  const { engine } = work
  const { index } = await beginOf(asked)
  return new WaitForRuns<never>(
    {
      task: tool.task ?? '',
      count: index + 1,
      onlyIndex: index,
      initParams: () => initParams,
      maxConcurrency: 1,
      sharesConcurrency: false,
      continueOnError: true,
      until: tool.timeoutSeconds === undefined ? null : new Date(now() + tool.timeoutSeconds * 1000),
      labels: {},
    },
    async (ended) => {
      const child = ended.find((one) => one.index === index)
      if (!child) throw new AppError('child_failed', `The run of '${tool.task}' was not started`)
      const used = await readRunUsage(engine.database, childKey(work.run.key, work.place.seq, index))
      await end(await outcomeOfRun(work, child), {
        trajectory_id: child.trajectory_id,
        ...(used && { run_tokens: used.tokens, cost_usd: used.usd }),
      })
      return undefined as never
    },
    {
      again: true,
      refused: ({ message }) =>
        end({ status: 'refused', content: work.run.environment.scrub.text(`Error: ${message}`) }, {}),
    },
  )
}

const outcomeOfRun = async (work: StepAtWork, child: ChildRun): Promise<CallOutcome> => {
  const { engine, run, memory } = work
  const { scrub } = run.environment
  if (child.status !== 'completed') {
    return { status: 'failed', content: scrub.text(`Error: the run is ${child.status}: ${child.error ?? 'no reason'}`) }
  }
  const steps = await runReader(engine, run, (bytes) => memory.room(bytes)).steps(child.trajectory_id, 'last')
  const outputs = steps.findLast(({ status }) => status === 'completed')?.outputs ?? {}
  return { status: 'completed', content: scrub.json(outputs) }
}

/** The tools of one attempt of a step, as its activity gets them. */
export const makeStepTools = (given: Omit<ToolScope, 'tools' | 'waiting'>): StepTools<WaitForRuns<never>> => {
  const { work, calls } = given
  let described: Promise<ProgramTool[]> | undefined
  const scope: ToolScope = {
    ...given,
    waiting: undefined,
    tools() {
      described ??= Promise.all(work.place.step.tools.map((tool) => (tool.activity ? tool : describedTask(work, tool))))
      return described
    },
  }
  return {
    offered: async () =>
      (await scope.tools()).map(
        ({ name, description, schema = {} }): OfferedTool => ({ name, description, parameters: schema }),
      ),
    records: async () => calls.rows,
    async recordTurn(turn) {
      // An attempt that was given up can have recorded its answer meanwhile: the first one counts.
      if (calls.rows.some((row) => row.type === 'model' && row.turn === turn.turn)) return
      await calls.add(turn, work.side.files.splice(0))
    },
    refuse: (call, content) => calls.add(ended(call, { status: 'refused', content }, performance.now())),
    carryOut: (call, ordinal) => carryOut(scope, call, ordinal),
  }
}

const ended = (
  { turn, id, tool }: ToolRequest,
  outcome: CallOutcome,
  begunMs: number,
  more: Partial<ToolEnd> = {},
): ToolEnd => ({
  type: 'tool',
  turn,
  id,
  tool,
  ...outcome,
  ...more,
  duration_seconds: Number(((performance.now() - begunMs) / 1000).toFixed(3)),
})

const unknownTool = (tools: readonly ProgramTool[], name: string): CallOutcome => ({
  status: 'refused',
  content: `Error: there is no tool '${name.slice(0, 100)}'. The tools are ${tools.map((one) => one.name).join(', ')}.`,
})

/** An attempt that was given up calls and records nothing: the next one makes the call again. */
const requireCurrent = ({ signal }: ToolScope, { tool }: Pick<ToolRequest, 'tool'>): void => {
  if (signal().aborted) throw new AppError('cancelled', `The call of '${tool}' was given up`)
}

const carryOut = async (
  scope: ToolScope,
  call: ToolRequest,
  ordinal: number,
): Promise<ToolEnd | WaitForRuns<never>> => {
  const { work } = scope
  requireCurrent(scope, call)
  const begunMs = performance.now()
  const tools = await scope.tools()
  const at = tools.findIndex(({ name }) => name === call.tool)
  const tool = tools[at]
  if (tool?.task !== undefined) return callTask(scope, tool, { call, at, begunMs })
  const side: StepSide = { files: [], warnings: [] }
  if (work.side.numbering) side.numbering = work.side.numbering
  const outcome = tool
    ? await outcomeOfActivity(scope, tool, { call, ordinal, side, at })
    : unknownTool(tools, call.tool)
  for (const warning of side.warnings) {
    work.side.warnings.push({ ...warning, message: `${call.tool}: ${warning.message}` })
  }
  const { usage } = side
  if (usage) work.side.usage = addCallUsage(work.side.usage, usage, usage.cost_usd)
  const { cost_usd, ...tokens } = usage ?? { cost_usd: null }
  const more = {
    ...(usage && { usage: tokens as ToolEnd['usage'], cost_usd }),
    ...(side.files.length > 0 && { files: side.files.length }),
  }
  return record(scope, ended(call, outcome, begunMs, more), side.files)
}

/** Writes the result of a call, cut to what its model gets. */
const record = async (scope: ToolScope, end: ToolEnd, files: StepSide['files'] = []): Promise<ToolEnd> => {
  const { work, calls } = scope
  requireCurrent(scope, end)
  const { resultCharacters } = work.engine.activitySettings.toolLimits
  const cut = { ...end, content: cutResult(end.content, resultCharacters) }
  await calls.add(cut, files)
  return cut
}

/** Starts the run of a task, unless the step is about to wait for another one: then the call is made after that. */
const callTask = async (
  scope: ToolScope,
  tool: ProgramTool,
  { call, at, begunMs }: { call: ToolRequest; at: number; begunMs: number },
): Promise<ToolEnd | WaitForRuns<never>> => {
  const { work, calls } = scope
  const read = readArguments(tool, call.arguments)
  const fixed = fixedBy(scope, at)
  const { initParamsBytes } = work.engine.activitySettings
  const refusal = 'refusal' in read ? read.refusal : await unfitInputs(tool, read.given, fixed, initParamsBytes)
  if (refusal !== undefined)
    return record(scope, ended(call, { status: 'refused', content: `Error: ${refusal}.` }, begunMs))
  scope.waiting ??= startTask({
    ...{ work, calls, tool, call },
    initParams: { ...('given' in read && read.given), ...fixed },
    async end(outcome, ofRun) {
      await record(scope, ended(call, outcome, begunMs, ofRun))
    },
  })
  return scope.waiting
}

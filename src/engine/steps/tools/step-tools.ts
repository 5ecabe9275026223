import { type ChildRun, WaitForRuns } from '../../../activities/activity.ts'
import { AppError } from '../../../lib/errors.ts'
import { isObject } from '../../../lib/json/json-object.ts'
import { schemaPieces } from '../../../lib/json-schema/json-schema.ts'
import { doInSlices } from '../../../lib/slices.ts'
import { now } from '../../../lib/time.ts'
import type { ToolBegin, ToolEnd, ToolRequest } from '../../../model/runs/step-call.ts'
import type { OfferedTool, StepTools } from '../../../model/runs/step-tools.ts'
import { addCallUsage } from '../../../model/runs/step-usage.ts'
import { readRunUsage } from '../../../store/calls/budget.ts'
import { runReader } from '../../journal/read-runs.ts'
import { childKey } from '../../leases/run-keys.ts'
import type { ProgramTool } from '../../program/tools.ts'
import type { StepAtWork } from '../step-at-work.ts'
import type { StepSide } from '../step-side.ts'
import { fixedBy, outcomeOfActivity, type ToolScope } from './activity-tool.ts'
import type { StepCalls } from './step-calls.ts'
import { readArguments } from './tool-arguments.ts'
import { type CallOutcome, cutResult } from './tool-result.ts'

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

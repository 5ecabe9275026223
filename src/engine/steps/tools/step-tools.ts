import type { WaitForRuns } from '../../../activities/activity.ts'
import { AppError } from '../../../lib/errors.ts'
import type { ToolEnd, ToolRequest } from '../../../model/runs/step-call.ts'
import type { OfferedTool, StepTools } from '../../../model/runs/step-tools.ts'
import { addCallUsage } from '../../../model/runs/step-usage.ts'
import type { ProgramTool } from '../../program/tools.ts'
import type { StepSide } from '../step-side.ts'
import { outcomeOfActivity } from './activity-tool.ts'
import { describedTask, startTask, unfitInputs } from './task-tool.ts'
import { readArguments } from './tool-arguments.ts'
import { type CallOutcome, cutResult } from './tool-result.ts'
import { fixedBy, type ToolScope } from './tool-scope.ts'

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

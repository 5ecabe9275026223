import type { Json } from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import type { Effects } from '../../model/workflows/effects.ts'
import type { ProgramStep } from '../program/program.ts'
import { readRecording } from './recording.ts'
import type { StepAtWork } from './step-at-work.ts'
import type { StepPlace, StepRun } from './step-run.ts'

/** What a step does outside of its run. A step writes if one of the activities that its model may call does. */
export const effectsOf = ({ options, activity, tools }: ProgramStep, parameters: Record<string, Json>): Effects => {
  if (options.effects !== undefined) return options.effects
  const { effects } = activity
  const declared = typeof effects === 'function' ? effects(parameters) : effects
  const own = activity.pure ? 'none' : declared
  const writes = tools.some(({ activity: tool }) => tool !== undefined && tool.effects !== 'none')
  return writes ? 'writes' : own
}

/** Whether the step is not executed, as the run is a trial and the step writes. */
export const isWithheld = (
  { trial }: Pick<StepRun, 'trial'>,
  { step }: Pick<StepPlace, 'step'>,
  parameters: Record<string, Json>,
): boolean => trial !== null && !trial.allow.includes(step.name) && effectsOf(step, parameters) === 'writes'

/** The recorded outputs of a step that writes, if its inputs are those of the recorded run. Throws `effect_withheld`. */
export const takeRecordedEffect = async (work: StepAtWork, shown: string): Promise<Record<string, Json>> => {
  const { engine, run, place, row } = work
  const of = run.trial?.of ?? null
  const recording = of === null ? undefined : await readRecording(engine, of, place, work.memory)
  const recorded = recording?.step
  if (recording && recorded?.status === 'completed' && recorded.inputs === shown) {
    const { trajectoryId, task } = recording
    row.origin = JSON.stringify({ trajectory_id: trajectoryId, task, step: place.name, kind: 'rerun' })
    return JSON.parse(recorded.outputs ?? '{}') as Record<string, Json>
  }
  const why =
    recorded?.status === 'completed' ? 'its inputs differ from the recorded ones' : 'no result of it is recorded there'
  throw new AppError('effect_withheld', `not executed, as it writes and ${why}`, {
    hint: `Allow it with allow: ["${place.step.name}"], or declare what it does with options.effects.`,
  })
}

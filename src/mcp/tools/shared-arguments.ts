import { z } from 'zod'
import { argumentMeanings } from '../endpoint-tool.ts'

const named = (name: string) =>
  z
    .string()
    .min(1)
    .max(300)
    .describe(argumentMeanings[name] ?? name)

/** The arguments that name a task. */
export const taskArguments = { collection: named('collection'), task: named('task') }

/** The arguments that name a run. */
export const runArguments = { ...taskArguments, trajectory_id: named('trajectory_id') }

/** The members of a result that name a run which has just started. */
export const startedMembers = { trajectory_id: z.string(), status: z.string(), url: z.string() }

/** A workflow: its schema has a page of its own, which a model reads when it writes one. */
export const workflowArgument = z
  .record(z.string(), z.unknown())
  .describe(
    'Workflow JSON: init_params, step_configs and steps. get-step-template shows the parameters of each activity; the resource jetty://docs/workflows explains the format.',
  )

/** Parameters of a run. */
export const initParamsArgument = z
  .record(z.string(), z.unknown())
  .optional()
  .describe(
    "Parameters of the run, merged over the task's init_params key by key. A nested object replaces the whole stored one. get-task shows them as input_schema.",
  )

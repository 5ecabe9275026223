import { z } from 'zod'
import { taskNameSchema } from '../names.ts'
import { workflowFaultSchema } from './workflow-fault.ts'

/** Maximum steps that a check describes. */
export const mostCheckedSteps = 1_000

/** Maximum paths that a check lists for the structured outputs of one step. */
export const mostStructuredOutputs = 100

const stepNames = z.array(z.string())

const checkedStepSchema = z
  .object({
    name: z.string(),
    activity: z.string().nullable().describe('As written; null when the step names none.'),
    is_listed: z.boolean().describe('False for a step that only a branch leads to.'),
    depends_on: stepNames.describe('Steps that it refers to.'),
    after: stepNames.describe('In parallel execution: the steps that must end first.'),
    decided_by: stepNames.describe('Branches that decide whether it executes.'),
    branch: z
      .object({
        true: z.string().nullable().describe('The first of true_steps; null for none.'),
        false: z.string().nullable(),
        true_steps: stepNames,
        false_steps: stepNames,
      })
      .nullable()
      .describe('For a branch: the steps that each answer leads to.'),
    loop: z
      .object({ first: z.string(), counter: z.string() })
      .nullable()
      .describe('For a step that is repeated: the first step and the counter of its loop.'),
    structured_outputs: z
      .array(z.object({ path: z.string(), type: z.string() }))
      .describe(
        `Paths into the outputs that the \`output_schema\` of the step names, such as \`outputs.lines[*].price\`; at most ${mostStructuredOutputs}.`,
      ),
  })
  .meta({ id: 'CheckedStep' })

const parameterOriginSchema = z
  .object({
    kind: z
      .enum(['init_params', 'step', 'env', 'literal', 'template'])
      .describe('`template`: a text with paths in it, which follow as origins of their own.'),
    text: z.string().describe('The path, or the value as written, at most 200 characters.'),
    step: z.string().nullable().describe('The step whose record a path reads.'),
  })
  .meta({ id: 'ParameterOrigin' })

export const workflowCheckRequestSchema = z
  .object({
    collection: z.string().min(1).describe('Collection in which child tasks are looked up.'),
    workflow: z.unknown().describe('The workflow, also one that is still being written.'),
    name: taskNameSchema
      .optional()
      .describe('Name of the task that the workflow belongs to, for tasks that start themselves.'),
  })
  .meta({ id: 'WorkflowCheckRequest' })

export const workflowCheckSchema = z
  .object({
    valid: z.boolean().describe('Whether no problem has the severity `error`.'),
    problems: z.array(workflowFaultSchema).describe('Faults in the order of the workflow, at most 200.'),
    execution: z.enum(['sequential', 'parallel']),
    steps: z
      .array(checkedStepSchema)
      .describe(`In order of execution, then those that cannot execute; at most ${mostCheckedSteps}.`),
    steps_total: z.int().describe('How many steps the workflow has.'),
    bindings: z
      .record(z.string(), z.record(z.string(), z.array(parameterOriginSchema)))
      .describe('For each step and parameter: where the value comes from, the first choice first, at most 50.'),
  })
  .meta({ id: 'WorkflowCheck' })

export type ParameterOrigin = z.output<typeof parameterOriginSchema>
export type CheckedStep = z.output<typeof checkedStepSchema>
export type WorkflowCheck = z.output<typeof workflowCheckSchema>

/** The structure of a workflow as the engine understands it. */
export type WorkflowOutline = Omit<WorkflowCheck, 'valid' | 'problems'>

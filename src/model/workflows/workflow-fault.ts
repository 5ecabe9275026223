import { z } from 'zod'
import { taskNameSchema } from '../names.ts'
import { warningSchema } from '../warning.ts'
import { workflowSchema } from './task.ts'

/** A fault in a workflow that would fail a run, or a part that the server ignores. */
export const workflowFaultSchema = warningSchema
  .extend({
    severity: z
      .enum(['error', 'warning'])
      .describe(
        '`error`: a run fails there, or does something else than the workflow says. `warning`: it may be meant so.',
      ),
    step: z.string().nullable().describe('Step with the fault; null for a fault of the workflow itself.'),
    pointer: z
      .string()
      .describe('JSON Pointer (RFC 6901) from the workflow to the faulty member, such as `/step_configs/say/text`.'),
    hint: z.string().nullable().describe('What to do about it, as a whole sentence.'),
  })
  .meta({ id: 'WorkflowFault' })

export type WorkflowFault = z.output<typeof workflowFaultSchema>

export const workflowVerdictSchema = z
  .object({
    valid: z.boolean().describe('Whether there is no fault of severity `error`.'),
    faults: z.array(workflowFaultSchema).describe('Faults in the order of the workflow, at most 200.'),
  })
  .meta({ id: 'WorkflowVerdict' })

export const workflowValidationSchema = z
  .object({
    workflow: workflowSchema,
    name: taskNameSchema
      .optional()
      .describe('Name of the task that the workflow belongs to, for tasks that start themselves.'),
  })
  .meta({ id: 'WorkflowValidation' })

export type WorkflowVerdict = z.output<typeof workflowVerdictSchema>

import { z } from 'zod'
import { taskNameSchema } from '../names.ts'
import { warningSchema } from '../warning.ts'
import { workflowSchema } from './task.ts'

/** A fault in a workflow that would fail a run, or a part that the server ignores. */
export const workflowFaultSchema = warningSchema
  .extend({
    severity: z
      .enum(['error', 'warning'])
      .describe('`error`: a run that comes to this place fails. `warning`: it goes on without what was meant.'),
    step: z.string().nullable().describe('The step that has the fault, or null for one of the workflow itself.'),
    pointer: z
      .string()
      .describe('JSON Pointer (RFC 6901) from the workflow to the faulty member, such as `/step_configs/say/text`.'),
    hint: z.string().nullable().describe('What to do about it, as a whole sentence.'),
  })
  .meta({ id: 'WorkflowFault' })

export type WorkflowFault = z.output<typeof workflowFaultSchema>

export const workflowVerdictSchema = z
  .object({
    valid: z.boolean().describe('Whether no fault has the severity `error`.'),
    faults: z.array(workflowFaultSchema).describe('In the order of the workflow, at most 200.'),
  })
  .meta({ id: 'WorkflowVerdict' })

export const workflowValidationSchema = z
  .object({
    workflow: workflowSchema,
    name: taskNameSchema.optional().describe('The task that it is or will be, which it may start itself.'),
  })
  .meta({ id: 'WorkflowValidation' })

export type WorkflowVerdict = z.output<typeof workflowVerdictSchema>

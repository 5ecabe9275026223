import { z } from 'zod'
import { contract } from '../../api/contract.ts'
import { AppError } from '../../lib/errors.ts'
import type { WaitingStep } from '../../model/runs/trajectory.ts'
import { endpointTool } from '../endpoint-tool.ts'
import { runSummary } from '../run-report.ts'
import { type AskPerson, callText, composedTool } from '../tool.ts'
import { runArguments } from './shared-arguments.ts'

type Decision = 'approve' | 'reject'

const decisions: readonly Decision[] = ['approve', 'reject']

/** Finds the waiting step of a run that a call means. */
const meant = (waiting: WaitingStep[] | null, step: string | undefined, run: Record<string, string>): WaitingStep => {
  const found = step === undefined ? waiting?.[0] : waiting?.find((one) => one.step === step)
  if (found) return found
  const which = step === undefined ? 'No step' : `No step ${JSON.stringify(step)}`
  throw new AppError('conflict', `${which} of the run waits for a decision`, {
    hint: `Next: ${callText('explain-run', run)}`,
  })
}

/** Lets the person decide, in a form of the client. */
const personDecides = async (askPerson: AskPerson, { step, message }: WaitingStep) => {
  const answer = await askPerson(
    `Step ${step} waits for your decision: ${message}`,
    {
      decision: { type: 'string', title: 'Decision', enum: [...decisions] },
      comment: { type: 'string', title: 'Comment', description: 'For the record and for later steps.' },
    },
    ['decision'],
  )
  const decision = decisions.find((one) => one === answer.content?.decision)
  if (answer.action !== 'accept' || !decision) {
    throw new AppError('not_approved', `The person did not decide (${answer.action}); the step still waits`)
  }
  const { comment } = answer.content ?? {}
  return { decision, ...(typeof comment === 'string' && comment !== '' && { comment }) }
}

export const approvalTools = [
  endpointTool({
    name: 'list-approvals',
    title: 'List approvals',
    description: 'Lists the steps of a collection that wait for a decision of a person, oldest first.',
    operation: 'listApprovals',
    takes: ['collection', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: ({ collection }) => ({ tool: 'list-approvals', args: { collection, limit: 5 } }),
  }),
  composedTool({
    name: 'decide-approval',
    title: 'Decide an approval',
    description:
      'Approves or rejects a step that waits for a person. Where the client can ask, the person gets a form and decides. Where it cannot, ask the person yourself and pass their decision; never decide for them.',
    operations: ['getTrajectory', 'decideApproval'],
    input: z.strictObject({
      ...runArguments,
      step: z.string().max(300).optional().describe('The waiting step; left out, the first one.'),
      decision: z.enum(['approve', 'reject']).optional().describe('What the person decided.'),
      comment: z.string().max(10_000).optional().describe('Comment of the person.'),
    }),
    output: contract.decideApproval.response,
    run: async (context, { step, decision, comment, ...run }) => {
      const { waiting } = await runSummary(context, run)
      const found = meant(waiting, step, run)
      const asked = context.askPerson && (await personDecides(context.askPerson, found))
      const body = asked ?? (decision && { decision, ...(comment !== undefined && { comment }) })
      if (!body) {
        throw new AppError('bad_request', `Step ${found.step} asks: ${found.message}`, {
          hint: 'This client cannot show a form. Ask the person, then call decide-approval with their decision.',
        })
      }
      return { value: await context.call('decideApproval', { params: { ...run, step: found.step }, body }) }
    },
  }),
]

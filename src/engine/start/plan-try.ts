import { AppError } from '../../lib/errors.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { PinnedOutputs } from '../engine.ts'
import { partialWorkflow, requirePinnable, withPinned } from '../program/partial-workflow.ts'
import type { Programs } from '../program/programs.ts'
import { joinMessages } from '../program/remark.ts'

const mostNamed = 10

/** Plans the execution of one step of a workflow. See `Engine.planTry`. */
export const planTry = async (
  { compile }: Pick<Programs, 'compile'>,
  workflow: Workflow,
  { step, outputs }: { step: string; outputs: PinnedOutputs },
): Promise<Workflow> => {
  requirePinnable(workflow, outputs)
  const pinned = withPinned(workflow, outputs)
  const partial = partialWorkflow(pinned, await compile(pinned), step)
  const { problems } = await compile(partial)
  if (problems.length === 0) return partial
  throw new AppError('invalid', `Step '${step}' cannot be tried: ${joinMessages(problems, mostNamed)}`, {
    hint: 'Fix these steps, or pin the outputs of those that it reads.',
  })
}

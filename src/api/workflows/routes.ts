import type { Engine } from '../../engine/engine.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { workflowSchema } from '../../model/workflows/task.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import { workflowsContract } from './contract.ts'

export interface WorkflowsDeps {
  checkWorkflow: Engine['check']
  findCollection(name: string): Promise<FoundCollection | undefined>
}

const mostShapeFaults = 200

/** Faults of a document whose sections do not have the shape of a workflow: an editor sends one with each key press. */
const shapeFaults = (written: unknown): WorkflowFault[] =>
  (workflowSchema.safeParse(written).error?.issues ?? []).slice(0, mostShapeFaults).map((issue) => {
    const place = issue.path.map((name) => (typeof name === 'symbol' ? String(name) : name))
    return {
      severity: 'error',
      step: null,
      field: ['workflow', ...place].join('.'),
      pointer: jsonPointer(place),
      message: `${place.length === 0 ? 'The workflow' : place.join('.')} is not valid: ${issueText(issue)}`,
      hint: 'A workflow has the objects init_params and step_configs, and the list steps.',
      did_you_mean: null,
    }
  })

export const workflowsRoutes = ({ checkWorkflow, findCollection }: WorkflowsDeps): Route[] =>
  implement(workflowsContract, {
    checkWorkflow: async ({ body, identity }) => {
      const collection = coveredOnly(identity, await findCollection(body.collection))
      if (!collection) throw collectionNotFound()
      const misshapen = shapeFaults(body.workflow)
      const home = { id: collection.id, name: collection.name, payer: collection.payer, task: body.name }
      const { faults, outline } = await checkWorkflow(
        misshapen.length === 0 ? (body.workflow as Workflow) : { steps: [] },
        home,
      )
      const problems = misshapen.length === 0 ? faults : misshapen
      return { valid: problems.every(({ severity }) => severity === 'warning'), problems, ...outline() }
    },
  })

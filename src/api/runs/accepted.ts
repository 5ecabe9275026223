import { type Reply, rawJson } from '../../http/reply.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import type { WorkflowResponse } from '../../model/runs/trajectory.ts'
import { withInitParams } from '../../store/runs/large-values.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { trajectoryText, trajectoryUrl } from '../trajectories/document.ts'
import { type AnswerMemory, copiesOfDocument, type DocumentDeps } from '../trajectories/documents.ts'

/** A refused run says why in this answer already, because some clients show nothing else. */
const messageOf = ({ refusal }: RunRow): string =>
  refusal === null
    ? 'Workflow started'
    : `The run is recorded and fails before its first step. ${(JSON.parse(refusal) as { message: string }).message}`

/** Answers a call that starts a run, once the run is on disk. */
export const acceptedReply = async (
  deps: Pick<DocumentDeps, 'database' | 'definitions' | 'links'>,
  accepted: RunRow,
  { take }: AnswerMemory,
): Promise<Reply> => {
  const run = await withInitParams(deps.database, accepted, (bytes) => take(copiesOfDocument * bytes))
  const document = trajectoryText(run, [], await deps.definitions(run.definition), deps.links.publicUrl)
  return rawJson(
    objectText<WorkflowResponse>({
      message: messageOf(run),
      workflow_id: run.workflow_id,
      trajectory_id: run.trajectory_id,
      status: 'pending',
      result: {},
      metadata: '',
      url: trajectoryUrl(run, deps.links.publicUrl),
      trial: run.trial,
      trajectory: new WrittenJson(document),
    }),
  )
}

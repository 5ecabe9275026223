import { type Reply, rawJson } from '../../http/reply.ts'
import { withInitParams } from '../../store/runs/large-values.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { trajectoryText, trajectoryUrl } from '../trajectories/document.ts'
import { type AnswerMemory, copiesOfDocument, type DocumentDeps } from '../trajectories/documents.ts'

/** A run that cannot be served says why in the answer already: some clients show nothing else. */
const messageOf = ({ refusal }: RunRow): string =>
  refusal === null
    ? 'Workflow started'
    : `The run is recorded and fails before its first step. ${(JSON.parse(refusal) as { message: string }).message}`

/** What is answered as soon as a run is on disk. */
export const acceptedReply = async (
  deps: Pick<DocumentDeps, 'database' | 'definitions' | 'links'>,
  accepted: RunRow,
  { take }: AnswerMemory,
): Promise<Reply> => {
  const run = await withInitParams(deps.database, accepted, (bytes) => take(copiesOfDocument * bytes))
  const document = trajectoryText(run, [], await deps.definitions(run.definition), deps.links.publicUrl)
  const head = {
    message: messageOf(run),
    workflow_id: run.workflow_id,
    trajectory_id: run.trajectory_id,
    status: 'pending',
    result: {},
    metadata: '',
    url: trajectoryUrl(run, deps.links.publicUrl),
    ...(run.trial ? { trial: run.trial } : {}),
  }
  return rawJson(`${JSON.stringify(head).slice(0, -1)},"trajectory":${document}}`)
}

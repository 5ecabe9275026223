import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { labelNameSchema, labelSchema, newLabelSchema } from '../../model/runs/label.ts'

const tag = 'Labels'
const collectionMissing = "Trajectory '{trajectory_id}' not found"
const path = '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/labels'
const changed = z.object({
  ok: z.literal(true),
  message: z.string(),
  trajectory_id: z.string(),
  labels: z
    .array(labelSchema)
    .describe('All labels of the run; if a key occurs more than once, the last one is current.'),
})

export const labelsContract = {
  addLabel: endpoint({
    method: 'POST',
    path,
    audited: false,
    summary: 'Set a label of a run at the end of the list; it replaces a label with the same key and author',
    tag,
    collectionMissing,
    body: newLabelSchema,
    idempotent: true,
    response: changed.extend({ label: labelSchema }),
  }),
  listLabels: endpoint({
    method: 'GET',
    path,
    summary: 'The labels of a run, the newest last',
    tag,
    collectionMissing,
    response: z.object({ labels: z.array(labelSchema) }),
  }),
  deleteLabel: endpoint({
    method: 'DELETE',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/labels/{key}',
    summary: 'Remove a label from a run, by one author or by all authors',
    tag,
    collectionMissing,
    query: z.object({ author: labelNameSchema.optional() }),
    response: changed,
  }),
}

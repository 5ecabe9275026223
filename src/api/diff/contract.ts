import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { textSchema } from '../../model/names.ts'
import { runDifferenceSchema } from '../../model/runs/run-difference.ts'

export const diffContract = {
  diffTrajectories: endpoint({
    method: 'GET',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/diff',
    summary: 'Compare two runs of a collection step by step',
    tag: 'Trajectories',
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    query: z.object({
      with: textSchema
        .min(1)
        .max(1_000)
        .describe('The other run: its trajectory id, or <task>/<trajectory_id> for a run of another task.'),
    }),
    response: runDifferenceSchema,
  }),
}

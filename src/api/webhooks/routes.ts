import type { Queries } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { attemptsOf, mostAttempts } from '../../store/webhooks.ts'
import { webhooksContract } from './contract.ts'
import { deliveriesOf } from './deliveries.ts'

export interface WebhooksDeps {
  database: Queries
  webhooks: { redeliver(run: RunRow): Promise<void> }
}

interface RunCall {
  collection: { id: number }
  params: { task: string; trajectory_id: string }
}

export const webhooksRoutes = ({ database, webhooks }: WebhooksDeps): Route[] => {
  const runOf = async ({ collection, params }: RunCall): Promise<RunRow> => {
    const at = { collectionId: collection.id, task: params.task, trajectoryId: params.trajectory_id }
    const run = await findRun(database, at)
    if (!run) throw new AppError('not_found', `Trajectory '${params.trajectory_id}' not found`)
    return run
  }

  return implement(webhooksContract, {
    listDeliveries: async (call) => deliveriesOf(database, await runOf(call)),

    redeliver: async (call) => {
      const run = await runOf(call)
      const { n } = call.params
      const attempts = await attemptsOf(database, run.id)
      if (!attempts.some((one) => String(one.n) === n)) {
        const numbers = attempts.length === 0 ? 'there is none yet' : `there are 1 to ${attempts.length}`
        throw new AppError('not_found', `Trajectory '${run.trajectory_id}' has no delivery ${n}; ${numbers}`)
      }
      if (attempts.length >= mostAttempts) {
        throw new AppError('conflict', `The run has ${attempts.length} deliveries, the maximum that is stored`, {
          hint: 'Read the trajectory itself with GET /api/v1/db/trajectory/{collection}/{task}/{trajectory_id}.',
        })
      }
      await webhooks.redeliver(run)
      call.note({ changes: { delivery: n } })
      return deliveriesOf(database, run)
    },
  })
}

import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf, coveredIds } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { findApprovalOfStep, waitingApprovals } from '../../store/runs/approvals.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { approvalsContract } from './contract.ts'
import { listAllApprovals } from './list-all.ts'
import { decidedApproval, waitingApproval } from './shown.ts'

export interface ApprovalsDeps {
  database: Database
  engine: Engine
  definitions: (hash: string) => Promise<{ totalSteps: string }>
  links: { readonly publicUrl: string }
}

/** Step names that an error lists. */
const mostShownSteps = 50

export const approvalsRoutes = (deps: ApprovalsDeps): Route[] => {
  const { database, engine } = deps

  const stepsOf = async (run: RunRow): Promise<string[]> =>
    JSON.parse((await deps.definitions(run.definition)).totalSteps) as string[]

  /** Explains why a step accepts no decision. */
  const refusal = async (run: RunRow, step: string): Promise<AppError> => {
    const steps = await stepsOf(run)
    const row = await findApprovalOfStep(database, run.id, step, steps)
    const first = row && decidedApproval(run, row)
    if (first) {
      const by = first.decided_by === null ? 'because no person decided in time' : `by ${first.decided_by}`
      return new AppError('conflict', `Step '${first.step}' was already decided: ${first.decision}, ${by}`, {
        hint: `The first decision counts. Look at the run with: GET /api/v1/db/trajectory/${run.name}/${run.trajectory_id}`,
        extra: { approval: first },
      })
    }
    if (!row && !steps.includes(step)) {
      const shown = steps.slice(0, mostShownSteps).join(', ')
      return new AppError('not_found', `Run '${run.trajectory_id}' has no step '${step}'; its steps: ${shown}`)
    }
    const why = run.ended_at ? `the run has ended: ${run.status}` : 'it has not started to wait, or needs no approval'
    return new AppError('conflict', `Step '${step}' does not wait for an approval: ${why}`)
  }

  return implement(approvalsContract, {
    decideApproval: async ({ collection, params, body, identity, note }) => {
      const { task, trajectory_id: trajectoryId, step } = params
      const run = await findRun(database, { collectionId: collection.id, task, trajectoryId })
      if (!run) throw new AppError('not_found', `Trajectory '${trajectoryId}' not found`)
      const { decision, comment = null } = body
      note({ target: `${run.name}/${run.trajectory_id}/${step}`, changes: { decision } })
      const asked = await findApprovalOfStep(database, run.id, step, await stepsOf(run))
      const row =
        asked &&
        (await engine.decide({ runKey: run.id, seq: asked.seq, decision, comment, decidedBy: authorOf(identity) }))
      const made = row && decidedApproval(run, row)
      if (!made) throw await refusal(run, step)
      return made
    },

    listAllApprovals: ({ identity, query }) => listAllApprovals(deps, coveredIds(identity), query),

    listApprovals: async ({ collection, query }) => {
      const after = query.cursor === undefined ? 0 : Number(query.cursor)
      const rows = await waitingApprovals(database, collection.id, { after, limit: query.limit + 1 })
      const page = rows.slice(0, query.limit)
      const more = rows.length > query.limit
      return {
        approvals: page.map((row) => waitingApproval(row, deps.links.publicUrl)),
        next_cursor: more ? String(page.at(-1)?.number) : null,
        has_more: more,
      }
    },
  })
}

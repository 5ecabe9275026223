import type { z } from 'zod'
import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf, coveredIds } from '../../model/collections/identity.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { findApprovalOfStep, waitingApprovals } from '../../store/runs/approvals.ts'
import {
  countApprovals,
  type DecidedCursor,
  decidedApprovals,
  mostCounted,
  openApprovals,
} from '../../store/runs/lists/approval-lists.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { approvalsContract } from './contract.ts'
import { decidedApproval, listedApproval, waitingApproval } from './serialize.ts'

interface ListDeps {
  database: Queries
  links: { readonly publicUrl: string }
}

type Query = z.output<typeof approvalsContract.listAllApprovals.query>

const decidedAfter = (cursor: string | undefined): DecidedCursor | undefined => {
  const [micros, number] = cursor?.split('-') ?? []
  return micros === undefined ? undefined : { micros, number: Number(number ?? 0) }
}

/** Reads one row more than the page has, with the cursor of each. */
const readPage = async (database: Queries, ids: readonly number[] | undefined, { state, cursor, limit }: Query) => {
  if (state === 'waiting') {
    const rows = await openApprovals(database, ids, { after: Number(cursor?.split('-')[0] ?? 0), limit: limit + 1 })
    return rows.map((row) => ({ row, cursor: String(row.number) }))
  }
  const rows = await decidedApprovals(database, ids, { after: decidedAfter(cursor), limit: limit + 1 })
  return rows.map((row) => ({ row, cursor: `${row.decided_micros}-${row.number}` }))
}

/** A page of the approvals of several collections; undefined means all. */
const listAllApprovals = async (
  { database, links }: ListDeps,
  collectionIds: readonly number[] | undefined,
  query: Query,
) => {
  const [found, counts] = await Promise.all([
    readPage(database, collectionIds, query),
    countApprovals(database, collectionIds),
  ])
  const page = found.slice(0, query.limit)
  const more = found.length > query.limit
  const total = counts[query.state]
  return {
    approvals: page.map(({ row }) => listedApproval(row, links.publicUrl)),
    total: total > mostCounted ? null : total,
    next_cursor: more ? (page.at(-1)?.cursor ?? null) : null,
    has_more: more,
  }
}

interface ApprovalsDeps {
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

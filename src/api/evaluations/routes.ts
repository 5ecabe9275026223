import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { type EvaluationFacts, evaluationTask } from '../../model/runs/evaluation.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { type EvaluationRow, findEvaluation, listEvaluations } from '../../store/tasks/evaluations.ts'
import type { DatasetStartDeps } from '../batches/start-with-dataset.ts'
import { trajectoryUrl } from '../trajectories/document.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { evaluationsContract } from './contract.ts'
import { factsOf, makeResultReader } from './read.ts'
import { shownEvaluation, summaryOf } from './shown.ts'
import { startEvaluation } from './start.ts'

export interface EvaluationsDeps extends DatasetStartDeps {
  links: { readonly publicUrl: string }
}

interface Found {
  run: EvaluationRow
  facts: EvaluationFacts
}

export const evaluationsRoutes = (deps: EvaluationsDeps): Route[] => {
  const { database, engine, links } = deps
  const readResults = makeResultReader(database)

  const get = async (collectionId: number, id: string): Promise<Found> => {
    const run = await findEvaluation(database, collectionId, id)
    const facts = run && factsOf(run)
    if (run && facts) return { run, facts }
    throw new AppError('not_found', `Evaluation '${id}' not found`)
  }

  return implement(evaluationsContract, {
    startEvaluation: async (call) => {
      const run = await startEvaluation(deps, call)
      const facts = factsOf(run)
      if (!facts) throw new AppError('internal', 'The stored run of an evaluation has no evaluation parameters')
      for (const warning of facts.warnings ?? []) call.warn(warning)
      return {
        evaluation_id: run.trajectory_id,
        name: facts.name,
        task: facts.task,
        total: facts.total,
        dataset: facts.dataset ?? null,
        baseline: facts.baseline,
        status: run.status,
        workflow_id: run.workflow_id,
        url: trajectoryUrl(run, links.publicUrl),
      }
    },

    listEvaluations: async ({ collection, query }) => {
      const { task, limit, cursor } = query
      const taskId = await findListedTask(database, collection.id, evaluationTask)
      if (taskId === undefined) return { evaluations: [], next_cursor: null }
      const after = cursor === undefined ? undefined : readCursor(cursor)
      const rows = await listEvaluations(database, { taskId, task, after, limit: limit + 1 })
      const some = rows.slice(0, limit)
      const last = rows.length > limit ? some.at(-1) : undefined
      return {
        evaluations: some.flatMap((run) => {
          const facts = factsOf(run)
          if (!facts) return []
          const judges = facts.judges.map(({ name }) => name)
          return [{ ...summaryOf(run, facts, links.publicUrl), judges }]
        }),
        next_cursor: last ? cursorText({ place: last.created_micros, number: last.number }) : null,
      }
    },

    getEvaluation: async ({ collection, params, query }) => {
      const { run, facts } = await get(collection.id, params.evaluation_id)
      return shownEvaluation({ database, links, readResults }, run, facts, query)
    },

    cancelEvaluation: async ({ collection, params }) => {
      const { run } = await get(collection.id, params.evaluation_id)
      if (run.ended_at === null) await engine.requestEnd([run.id], 'cancelled')
      const after = await get(collection.id, params.evaluation_id)
      return { evaluation_id: run.trajectory_id, status: after.run.status }
    },
  })
}

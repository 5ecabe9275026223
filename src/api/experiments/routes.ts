import { randomBytes } from 'node:crypto'
import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { authorOf, recordedBy } from '../../model/collections/identity.ts'
import type { Judge } from '../../model/runs/evaluation.ts'
import { candidateSchema, type ExperimentPlan, type PlannedExperiment } from '../../model/runs/experiment.ts'
import type { Models } from '../../providers/provider.ts'
import type { Database } from '../../store/database/database.ts'
import { answeredOnce } from '../../store/idempotency.ts'
import {
  cancelItems,
  createExperiment,
  type ExperimentRow,
  endExperiment,
  findExperiment,
  itemsOf,
  listExperiments,
  openRunsOf,
  resumeExperiment,
  spentOn,
} from '../../store/runs/experiments.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { experimentsContract } from './contract.ts'
import { planExperiment } from './plan.ts'
import { judgesOf, shownItem, worstFirst } from './verdict.ts'

interface ExperimentsDeps {
  database: Database
  sealer: Sealer
  engine: Pick<Engine, 'planTrial' | 'preflight' | 'problems' | 'requestEnd'>
  models: Pick<Models, 'prices'>
  settings: { maxExperimentRuns: number }
  experiments: { wake(): void }
}

/** The plan as it was kept; older ones lack members. */
const keptPlan = (text: string): ExperimentPlan => {
  const plan = JSON.parse(text) as ExperimentPlan
  return { ...plan, writing_steps: plan.writing_steps ?? [], executions: plan.executions ?? plan.changed }
}

const shownHead = (row: ExperimentRow) => ({
  experiment_id: row.id,
  kind: row.kind,
  name: row.name,
  task: row.task,
  candidate: candidateSchema.parse(JSON.parse(row.candidate)),
  state: row.state,
  reason: row.reason,
  bound_usd: row.bound_usd,
  repeat: row.repeat,
  estimate: keptPlan(row.estimate),
  author: row.author,
  created: timestamp(row.created_at),
  ended: timestampOrNull(row.ended_at),
})

const countBy = (texts: readonly string[]): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return Object.fromEntries(counts)
}

/** Seconds for which cancelling waits for runs to end. */
const waitSeconds = 1

export const experimentsRoutes = (deps: ExperimentsDeps): Route[] => {
  const { database, engine, experiments } = deps
  const get = async (collectionId: number, id: string): Promise<ExperimentRow> => {
    const row = await findExperiment(database, collectionId, id)
    if (row) return row
    throw new AppError('not_found', `Experiment '${id}' not found`)
  }

  return implement(experimentsContract, {
    startExperiment: async ({ collection, task, params, body, identity, idempotencyScope, note }) => {
      if (!task) throw missingTask(params.task, collection.name)
      const { candidate, plan, items } = await planExperiment(deps, collection, task, body)
      const { definition, workflow: _, ...shown } = candidate
      const planned = { task: task.name, candidate: shown, plan }
      if (body.dry_run) return { experiment_id: null, ...planned }
      const answer = await answeredOnce(deps, idempotencyScope, body, async (queries): Promise<PlannedExperiment> => {
        const id = `exp-${randomBytes(8).toString('hex')}`
        await createExperiment(
          queries,
          {
            ...{ id, collection_id: collection.id, task_id: task.id, task: task.name, kind: 'backtest', definition },
            ...{
              name: body.name ?? null,
              candidate: JSON.stringify(shown),
              init_params: JSON.stringify(body.init_params),
            },
            ...{ judges: JSON.stringify(body.judges ?? []), output_path: body.output_path ?? null },
            ...{ allow: JSON.stringify(body.allow), max_concurrency: body.max_concurrency, repeat: body.repeat },
            ...{ estimate: JSON.stringify(plan), bound_usd: body.bound_usd ?? null },
            ...{ author: authorOf(identity), recorded_by: recordedBy(identity), key_id: identity.keyId },
          },
          items,
        )
        note({
          target: `${collection.name}/${id}`,
          changes: { task: task.name, runs: plan.runs, changed: plan.changed },
        })
        return { experiment_id: id, ...planned }
      })
      experiments.wake()
      return answer
    },

    listExperiments: async ({ collection, query }) => {
      const taskId = query.task === undefined ? undefined : await findListedTask(database, collection.id, query.task)
      if (query.task !== undefined && taskId === undefined) throw missingTask(query.task, collection.name)
      const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(query.cursor)
      const rows = await listExperiments(database, collection.id, { before, limit: query.limit + 1, taskId })
      const page = rows.slice(0, query.limit)
      const more = rows.length > query.limit
      return {
        experiments: page.map(shownHead),
        has_more: more,
        next_cursor: more ? String(page.at(-1)?.number) : null,
      }
    },

    getExperiment: async ({ collection, params, query: { page, limit } }) => {
      const row = await get(collection.id, params.experiment_id)
      const [items, spent] = await Promise.all([itemsOf(database, row.id), spentOn(database, row.id)])
      const judges = JSON.parse(row.judges) as Judge[]
      const ended = items.filter(({ state }) => state === 'ended')
      const from = (page - 1) * limit
      const some = worstFirst(judges, items).slice(from, from + limit)
      return {
        ...shownHead(row),
        progress: items.length === 0 ? 1 : Math.round((ended.length / items.length) * 1000) / 1000,
        cost_usd: spent.runs + spent.judgements,
        outcomes: countBy(ended.flatMap(({ outcome, arm }) => (arm === 'candidate' && outcome) || [])),
        judges: judgesOf(judges, ended, row.repeat),
        items: some.map((item) => shownItem(judges, item)),
        page,
        limit,
        has_more: from + some.length < items.length && limit > 0,
      }
    },

    resumeExperiment: async ({ collection, params, body, note }) => {
      const row = await get(collection.id, params.experiment_id)
      if (row.state !== 'stopped') {
        throw new AppError('conflict', `Experiment '${row.id}' is ${row.state}, and only a stopped one can go on`)
      }
      await resumeExperiment(database, row.id, body.bound_usd)
      note({ target: `${collection.name}/${row.id}`, changes: { bound_usd: body.bound_usd } })
      experiments.wake()
      return shownHead(await get(collection.id, row.id))
    },

    cancelExperiment: async ({ collection, params, note }) => {
      const row = await get(collection.id, params.experiment_id)
      if (row.state === 'running') {
        await cancelItems(database, row.id)
        await endExperiment(database, row.id, 'stopped', 'cancelled')
        const open = await openRunsOf(database, row.id)
        if (open.length > 0)
          await engine.requestEnd(
            open.map(({ id }) => id),
            'cancelled',
            waitSeconds,
          )
        note({ target: `${collection.name}/${row.id}` })
      }
      const after = await get(collection.id, row.id)
      return { experiment_id: row.id, state: after.state, ended: timestampOrNull(after.ended_at) }
    },
  })
}

import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { RunDifference } from '../../model/runs/run-difference.ts'
import { makeSpentOnRun } from '../../store/calls/budget.ts'
import type { Database } from '../../store/database/database.ts'
import { type WholeRun, withInitParams } from '../../store/runs/large-values.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { identityOf, trajectoryUrl } from '../trajectories/document.ts'
import { diffContract } from './contract.ts'
import { durationDifference, type Pair, stepDifferences, unlessSame } from './steps.ts'
import { makeAllowance, textDifference } from './values.ts'

export interface DiffDeps {
  database: Database
  definitions: (hash: string) => Promise<ShownDefinition>
  links: { readonly publicUrl: string }
  settings: { diffBytes: number }
}

const missing = (id: string) => new AppError('not_found', `Trajectory '${id}' not found`)

const msOf = ({ started_at, ended_at }: RunRow): number | null =>
  started_at && ended_at ? ended_at.getTime() - started_at.getTime() : null

/** Copies in memory: the text, the connection's buffer, and the comparison's own. */
const copiesAtOnce = 3

export const diffRoutes = (deps: DiffDeps): Route[] => {
  const { database } = deps
  const spentOnRun = makeSpentOnRun(database)

  const find = (collection: FoundCollection, task: string, trajectoryId: string) =>
    findRun(database, { collectionId: collection.id, task, trajectoryId })

  /** Ids from outside may contain slashes: tried first as an id of the same task. */
  const findOther = async (collection: FoundCollection, task: string, text: string) => {
    const slash = text.indexOf('/')
    const found = await find(collection, task, text)
    return found || slash < 0 ? found : find(collection, text.slice(0, slash), text.slice(slash + 1))
  }

  const compare = async (left: WholeRun, right: WholeRun): Promise<RunDifference> => {
    const allowance = makeAllowance(deps.settings.diffBytes)
    const [leftDefinition, rightDefinition, leftCost, rightCost] = await Promise.all([
      deps.definitions(left.definition),
      deps.definitions(right.definition),
      spentOnRun(left.id),
      spentOnRun(right.id),
    ])
    const initParams = textDifference({ left: left.init_params, right: right.init_params }, allowance)
    const { steps, total, different } = await stepDifferences(
      database,
      { left, right },
      { left: leftDefinition, right: rightDefinition },
      allowance,
    )
    const status = unlessSame<string>(left.status, right.status)
    const error = unlessSame(left.error, right.error)
    const definition = unlessSame(left.definition, right.definition)
    const cost = unlessSame(leftCost, rightCost)
    const differences = {
      ...(status && { status }),
      ...(error && { error }),
      ...(definition && { definition }),
      ...(initParams && { init_params: initParams }),
    }
    return {
      ...sides({ left, right }),
      same: Object.keys(differences).length === 0 && steps.every((step) => step.same),
      run: { ...differences, ...durationDifference(msOf(left), msOf(right)), ...(cost && { cost }) },
      steps,
      total_steps: total,
      different_steps: different,
    }
  }

  const sides = (runs: Pair<RunRow>) => {
    const side = (run: RunRow) => {
      const { trajectory_id, task, workflow_id } = identityOf(run)
      return { trajectory_id, task, workflow_id, url: trajectoryUrl(run, deps.links.publicUrl) }
    }
    return { left: side(runs.left), right: side(runs.right) }
  }

  return implement(diffContract, {
    diffTrajectories: async ({ collection, params, query, memory }) => {
      const { task, trajectory_id: id } = params
      const [left, right] = await Promise.all([find(collection, task, id), findOther(collection, task, query.with)])
      if (!left) throw missing(id)
      if (!right) throw missing(query.with)
      const whole = (run: RunRow) => withInitParams(database, run, (bytes) => memory.take(copiesAtOnce * bytes))
      return compare(await whole(left), await whole(right))
    },
  })
}

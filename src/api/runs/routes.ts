import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { EndedRun, Trajectory } from '../../model/runs/trajectory.ts'
import type { Lending } from '../../store/collections/lending.ts'
import type { Database } from '../../store/database/database.ts'
import { withInitParams } from '../../store/runs/payloads.ts'
import { readRunOutcome } from '../../store/runs/step-records.ts'
import { trajectoryText } from '../trajectories/document.ts'
import { copiesOfDocument, type DocumentDeps } from '../trajectories/documents.ts'
import { runsContract } from './contract.ts'
import { acceptedReply, startTaskRun } from './start.ts'

export interface RunsDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  lending: Lending
  settings: { syncWaitSeconds: number; maxInitParamsBytes: number; allowPrivateNetwork: string[] }
}

/** The answer contains the document twice, and the outputs of the last step once more. */
const copiesOfAnswer = 2 * copiesOfDocument

export const runsRoutes = (deps: RunsDeps): Route[] => {
  const { engine, settings } = deps

  return implement(runsContract, {
    runTask: async (call) => acceptedReply(deps, await startTaskRun(deps, call), call.memory),

    runTaskSync: async (call) => {
      const accepted = await startTaskRun(deps, call)
      const inTime = await engine.wait(accepted.id, AbortSignal.timeout(settings.syncWaitSeconds * 1000))
      const ids = { workflow_id: accepted.workflow_id, trajectory_id: accepted.trajectory_id }
      if (!inTime) {
        throw new AppError('still_running', 'Run still in progress; poll the trajectory', { extra: ids })
      }
      const take = (bytes: number) => call.memory.take(copiesOfAnswer * bytes)
      const outcome = await readRunOutcome(deps.database, accepted.id, take)
      if (!outcome) throw new AppError('not_found', 'The run was deleted in the meantime')
      const trial = accepted.trial && (await deps.lending.leftAfter(accepted.id))
      const whole = await withInitParams(deps.database, accepted, take)
      const run = { ...whole, ...outcome.run, ...(trial ? { trial } : {}) }
      const definition = await deps.definitions(run.definition)
      const document = trajectoryText(run, outcome.steps, definition, deps.links.publicUrl)
      const last = outcome.steps.findLast((step) => step.status !== 'skipped')
      const beside = objectText<Omit<EndedRun, keyof Trajectory>>({
        message: `Workflow ${run.status}`,
        result: new WrittenJson(last?.outputs ?? '{}'),
        metadata: '',
        trajectory: new WrittenJson(document),
      })
      return rawJson(`${document.slice(0, -1)},${beside.slice(1)}`)
    },
  })
}

import { implement, type Route } from '../../http/implement.ts'
import { type Reply, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { memberText } from '../../lib/json/json-text.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { Queries } from '../../store/database/database.ts'
import { withInitParams, withLargeValues } from '../../store/runs/large-values.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { stepCallsAfter } from '../../store/runs/step-calls.ts'
import { findStep } from '../../store/runs/step-records.ts'
import type { StoredStep } from '../../store/runs/step-row.ts'
import { type AnswerMemory, type DocumentDeps, holdDocument } from '../trajectories/documents.ts'
import { type stepSections, stepsContract } from './contract.ts'
import { stepDetailText } from './detail.ts'

interface RunPath {
  task: string
  trajectory_id: string
}

export const stepsRoutes = (deps: DocumentDeps): Route[] => {
  const { database } = deps

  const runOf = async (collection: FoundCollection, { task, trajectory_id: trajectoryId }: RunPath) => {
    const run = await findRun(database, { collectionId: collection.id, task, trajectoryId })
    if (!run) throw new AppError('not_found', `Trajectory '${trajectoryId}' not found`)
    return run
  }

  const stepOf = async (collection: FoundCollection, params: RunPath & { step: string }) => {
    const run = await runOf(collection, params)
    const step = await findStep(database, run.id, params.step)
    if (step) return { run, step }
    throw new AppError('not_found', `Run '${run.trajectory_id}' has no step '${params.step}'`, {
      hint: 'It has not started yet, or its name is another one. From its second turn on, a step of a loop is called <step>__<turn>.',
    })
  }

  return implement(stepsContract, {
    getStep: async ({ collection, params, memory }) => {
      const { run, step } = await stepOf(collection, params)
      return rawJson(await stepDetailText(deps, run, step, memory))
    },

    getStepValue: async ({ collection, params, query, memory }) => {
      const { run, step } = await stepOf(collection, params)
      const text = await sectionText(deps, run, step, query.of, memory)
      return valueReply(text, query.member, `${query.of} of step '${step.name}'`)
    },

    listStepCalls: async ({ collection, params, query: { after, limit } }) => {
      const { run, step } = await stepOf(collection, params)
      const { calls, hasMore } = await stepCallsAfter(database, { runKey: run.id, seq: step.seq, after, limit })
      const shown = calls.map(({ n, at, call }) => `{"n":${n},"at":"${timestamp(at)}","call":${call}}`)
      return rawJson(`{"calls":[${shown.join(',')}],"next_after":${hasMore ? (calls.at(-1)?.n ?? null) : null}}`)
    },

    getInitParams: async ({ collection, params, query, memory }) => {
      const run = await runOf(collection, params)
      const { init_params } = await withInitParams(database, run, holdDocument(memory).take)
      return valueReply(init_params, query.member, `init_params of run '${run.trajectory_id}'`)
    },
  })
}

/** The JSON text of a part of a step; no other part is read. */
const sectionText = async (
  { database, definitions }: { database: Queries; definitions: DocumentDeps['definitions'] },
  run: RunRow,
  step: StoredStep,
  section: (typeof stepSections)[number],
  memory: AnswerMemory,
): Promise<string> => {
  if (section === 'config') return (await definitions(run.definition)).step(step.name).config
  const wanted = section === 'inputs' ? { ...step, outputs_payload: null } : { ...step, inputs_payload: null }
  const [whole] = await withLargeValues(database, [wanted], holdDocument(memory).take)
  return whole?.[section] ?? '{}'
}

const valueReply = (text: string, member: string | undefined, whole: string): Reply => {
  if (member === undefined) return rawJson(text)
  const found = memberText(text, member)
  if (found === undefined) throw new AppError('not_found', `The ${whole} have no member '${member}'`)
  return rawJson(found)
}

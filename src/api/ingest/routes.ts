import type { z } from 'zod'
import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { invalidField } from '../../lib/errors.ts'
import { memberText } from '../../lib/json/json-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { type FoundCollection, type Identity, recordedBy } from '../../model/collections/identity.ts'
import { addCallUsage } from '../../model/gateway/model-totals.ts'
import { taskNameSchema } from '../../model/names.ts'
import { labelNameSchema } from '../../model/runs/label.ts'
import { findOwnTask } from '../../model/runs/own-tasks.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { answerOnce, fingerprintOf } from '../../store/idempotency.ts'
import { type IngestedRun, ingestRun } from '../../store/runs/ingest.ts'
import { insist } from '../../store/runs/labels.ts'
import type { TaskFields } from '../../store/tasks/tasks.ts'
import { auditRow } from '../audit/trail.ts'
import { ingestContract, type ingestSchema } from './contract.ts'

interface IngestDeps {
  database: Database
  sealer: Sealer
  quota: Pick<Quota, 'add' | 'require'>
  settings: { maxLabelsPerRun: number }
}

/** A task without steps, for evaluations of a task that does not exist yet. */
const stub = { workflow: '{"init_params":{},"step_configs":{},"steps":[]}', description: 'Ingested evaluations' }

const fieldsOf = (name: string, task: Pick<TaskFields, 'workflow' | 'description'>): TaskFields => ({
  name,
  ...task,
  version: null,
  has_file_uploads: false,
  is_private: true,
  is_chat_flow: false,
  croissant_metadata: null,
})

export const ingestRoutes = ({ database, sealer, quota, settings }: IngestDeps): Route[] =>
  implement(ingestContract, {
    ingestTrajectory: async ({ collection, params, body, bodyText, identity, idempotencyScope: scope }) => {
      await quota.require(collection.id)
      const run = {
        ...runOf(body, bodyText),
        ...recorderOf(identity, collection, `${params.task}/${body.trajectory_id}`),
      }
      const checked = taskNameSchema.safeParse(params.task)
      const own = findOwnTask(params.task)
      const made = own
        ? fieldsOf(params.task.toLowerCase(), own)
        : checked.success
          ? fieldsOf(params.task, stub)
          : undefined
      const place = { collection, task: params.task, stub: made, mostLabels: settings.maxLabelsPerRun }
      const record = async (queries: Queries): Promise<string> => {
        const recorded = await ingestRun(queries, place, run)
        if (!recorded)
          throw invalidField(['path', 'task'], checked.error?.issues[0]?.message ?? 'Expected a valid name')
        const { trajectory_id, name, labels } = recorded
        const head = { trajectory_id, name, storage_path: `${name}/0000`, status: run.status }
        return `${JSON.stringify(head).slice(0, -1)},"labels":${labels}}`
      }
      const answer = await insist(database, (queries) =>
        scope === undefined
          ? record(queries)
          : answerOnce(queries, sealer, { scope, fingerprint: fingerprintOf(body) }, () => record(queries)),
      )
      quota.add(collection.id, { runs: 1, databaseBytes: Buffer.byteLength(bodyText) })
      return rawJson(answer)
    },
  })

const recorderOf = (identity: Identity, collection: FoundCollection, run: string) => ({
  recordedBy: recordedBy(identity),
  replacing: auditRow({
    identity,
    collection,
    operation: 'ingestTrajectory',
    target: `${collection.name}/${run}`,
    changes: {},
  }),
})

type Sent = z.output<typeof ingestSchema>

/** Builds the recorded run; input and output keep their original text. */
const runOf = (sent: Sent, text: string): Omit<IngestedRun, 'recordedBy' | 'replacing'> => {
  const { created, completed } = sent
  if (typeof created === 'number' && typeof completed === 'number' && completed < created) {
    throw invalidField(['body', 'completed'], 'The time in completed is earlier than the time in created')
  }
  const member = (name: 'input' | 'output'): string =>
    sent[name] === undefined ? '{}' : `{"${name}":${memberText(text, name)}}`
  const { source, eval_id } = sent
  return {
    trajectoryId: sent.trajectory_id ?? undefined,
    status: sent.status ?? 'completed',
    author: sent.author ?? 'ingest',
    inputs: member('input'),
    outputs: member('output'),
    usage: usageOf(sent),
    costUsd: sent.cost_usd ?? null,
    params: JSON.stringify({ ...sent.metadata, ...(source ? { source } : {}), ...(eval_id ? { eval_id } : {}) }),
    labels: labelsOf(sent),
    createdMs: created ?? undefined,
    completedMs: completed ?? undefined,
  }
}

/** Tokens and cost as steps record them; null if neither was sent. */
const usageOf = ({ usage, cost_usd: cost }: Sent): string | null =>
  usage == null && cost == null ? null : JSON.stringify(addCallUsage(undefined, usage, cost ?? null))

/** An explicit label overrides a score or cost with the same key. */
const labelsOf = ({ scores, cost_usd: cost, labels }: Sent): IngestedRun['labels'] => {
  const all = new Map<string, string>()
  const add = (key: string, value: string, loc: string[]) => {
    const checked = labelNameSchema.safeParse(key)
    if (!checked.success)
      throw invalidField(['body', ...loc], checked.error.issues[0]?.message ?? 'Expected a valid label key')
    all.delete(key)
    all.set(key, value)
  }
  for (const [name, score] of Object.entries(scores ?? {})) add(`score.${name}`, String(score), ['scores', name])
  if (typeof cost === 'number') add('cost_est_usd', String(cost), ['cost_usd'])
  for (const [key, value] of Object.entries(labels ?? {})) add(key, value, ['labels', key])
  return [...all].map(([key, value]) => ({ key, value }))
}

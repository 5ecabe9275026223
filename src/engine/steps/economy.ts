import { createHash, randomUUID } from 'node:crypto'
import { batched } from '../../lib/batch.ts'
import { timestampOrNull } from '../../lib/time.ts'
import { AwaitsBatch, type CallCollector, type CollectedCall } from '../../model/gateway/collected-call.ts'
import type { StepLog } from '../../model/runs/step.ts'
import {
  answerOfCall,
  batchedCallSeal,
  callsOfStep,
  collectCalls,
  type KnownCall,
  keepAnswer,
  type NewBatchedCall,
} from '../../store/calls/batched-calls.ts'
import type { Queries } from '../../store/database/database.ts'
import type { StepPlace, StepRun } from './step-run.ts'
import { type StepSide, warningEvent } from './step-side.ts'

/** Whether the chats of a step go through the batch interface of their provider. */
export const isEconomical = (
  run: Pick<StepRun, 'economy' | 'replayOf'>,
  { options, activity, tools }: StepPlace['step'],
): boolean => {
  if (run.replayOf !== null || activity.asks?.kind !== 'chat' || tools.length > 0) return false
  return (options.economy ?? run.economy) === 'batch'
}

interface EconomyDeps {
  database: Queries
  sealer: { seal(text: string, boundTo: string): string; open(sealed: string, boundTo: string): string }
  limits: EconomyLimits
}

/** See the settings of the same names. */
export interface EconomyLimits {
  /** Seconds for which calls are collected before their batch is sent. */
  economyCollectSeconds: number
  /** Seconds until a call is sent at once, unless its step says otherwise. */
  economyMaxWaitSeconds: number
}

/** A collector for one execution of a step. */
export interface StepCollector extends CallCollector {
  /** Whether a call of this execution waits for a batch. */
  readonly isWaiting: boolean
}

/** Makes the collectors of steps. */
export type CollectFor = (
  step: { run: StepRun; place: StepPlace; side: StepSide },
  attempt: number,
  charge: (cost: { model: string; usd: number | null; tokens: number }) => Promise<void>,
) => StepCollector

const hashOf = (...parts: string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('base64url')

/** Makes the function that collects calls of all steps of this process together. */
export const makeCollectFor = ({ database, sealer, limits }: EconomyDeps): CollectFor => {
  const add = batched<NewBatchedCall, void>(async (calls) => {
    await collectCalls(database, calls)
    return calls.map(() => undefined)
  }, 200)
  return ({ run, place, side }, attempt, charge) => {
    let known: Promise<Map<string, KnownCall>> | undefined
    let isWaiting = false
    const turns = new Map<string, number>()
    const told = new Set<string>()
    /** Many calls of a step have the same to say. */
    const tell = (message: string, kind: Partial<StepLog> = {}): void => {
      if (told.has(message)) return
      told.add(message)
      side.warnings.push({ ...warningEvent(message), ...kind })
    }
    const ids = new WeakMap<CollectedCall, string>()
    const readKnown = async () =>
      new Map((await callsOfStep(database, run.key, place.seq)).map((one) => [one.call, one]))

    /** Equal calls of a step are told apart by their order: a step that is carried out again makes the same ones. */
    const nameOf = ({ account, model, path, body }: CollectedCall): string => {
      const hash = hashOf(account.provider, account.base_url, model, path, body)
      const turn = (turns.get(hash) ?? 0) + 1
      turns.set(hash, turn)
      return `${hash}/${turn}`
    }

    const collect = async (call: CollectedCall, name: string): Promise<void> => {
      await call.admit()
      const { account, model, path, body } = call
      const { usd, tokens } = await call.estimate()
      const id = randomUUID()
      await add({
        ...{ id, run_id: run.key, seq: place.seq, call: name, attempt },
        ...{ collection_id: run.collectionId, task_id: run.taskId, provider: account.provider, model, path },
        account: hashOf(account.provider, account.base_url, account.key ?? ''),
        wait_seconds: place.step.options.maxWaitSeconds ?? limits.economyMaxWaitSeconds,
        collect_seconds: limits.economyCollectSeconds,
        sealed_request: sealer.seal(JSON.stringify({ account, body }), batchedCallSeal(id)),
        request_bytes: Buffer.byteLength(body) + bytesAround,
        reserved_usd: usd ?? 0,
        reserved_tokens: tokens,
      })
    }

    const wait = (): never => {
      isWaiting = true
      throw new AwaitsBatch()
    }

    return {
      get isWaiting() {
        return isWaiting
      },
      async ask(call) {
        known ??= readKnown()
        const name = nameOf(call)
        const one = (await known).get(name)
        const isAgain = one?.state === 'answered' && (one.status ?? 0) >= 300 && one.attempt < attempt
        if (!one || one.state === 'withdrawn' || isAgain) {
          await collect(call, name)
          return wait()
        }
        ids.set(call, one.id)
        if (one.reason !== null) tell(`${atOnce}: ${one.reason}`)
        if (one.state === 'released') return undefined
        if (one.state !== 'answered' || one.status === null) return wait()
        const sealed = await answerOfCall(database, one.id)
        if (sealed === null) return wait()
        if (one.provider_id !== null) tell(`Answered by batch ${one.provider_id} of ${one.provider}`, ofBatch(one))
        return { status: one.status, body: sealer.open(sealed, batchedCallSeal(one.id)), usd: one.usd }
      },
      async keep(call, { body, usd, tokens }) {
        await charge({ model: `${call.account.provider}/${call.model}`, usd, tokens })
        const id = ids.get(call)
        if (id !== undefined) await keepAnswer(database, id, sealer.seal(body, batchedCallSeal(id)), usd)
      },
      decline: (reason) => tell(`${atOnce}: ${reason}`),
    }
  }
}

/** Bytes of a request beside its body. */
const bytesAround = 150

const atOnce = 'economy: the model was called at once, at the full price'

const ofBatch = ({ provider_id: batch_id, submitted_at }: KnownCall): Partial<StepLog> => ({
  level: 'info',
  type: 'provider_batch',
  attributes: { batch_id, submitted_at: timestampOrNull(submitted_at) },
})

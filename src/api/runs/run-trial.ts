import type { Engine, RunRequest } from '../../engine/engine.ts'
import type { TrialLeft } from '../../model/collections/trial.ts'
import type { Borrower, Lending, Loan } from '../../store/collections/lending.ts'

/** A request with the internal key of its run. */
export type KeyedRequest = RunRequest & { key: string }

/** Lends the server's keys to one run. */
export interface RunTrial {
  /** The names of the keys that the run would get, without counting it. Throws when there are none to lend. */
  check(request: KeyedRequest): Promise<readonly string[]>
  /** Counts the run; undefined when it needs no lent keys. */
  reserve(request: KeyedRequest): Promise<Loan | undefined>
  /** Takes the count back. */
  release(runKey: string): Promise<unknown>
  /** Tells how much of the trial is left after a counted run. */
  leftAfter(runId: string): Promise<TrialLeft | undefined>
}

const borrowerOf = async (
  engine: Pick<Engine, 'mayAskModels'>,
  { collection, task, secrets, key }: KeyedRequest,
): Promise<Borrower> => ({
  collectionId: collection.id,
  environmentId: collection.environmentId,
  secrets,
  runKey: key,
  asksNoModel: !(await engine.mayAskModels(task.definition)),
})

/** Makes the trial of one run. */
export const runTrial = ({
  lending,
  engine,
}: {
  lending: Lending
  engine: Pick<Engine, 'mayAskModels'>
}): RunTrial => ({
  check: async (request) => lending.check(await borrowerOf(engine, request)),
  reserve: async (request) => lending.reserve(await borrowerOf(engine, request)),
  release: (runKey) => lending.release(runKey),
  leftAfter: (runId) => lending.leftAfter(runId),
})

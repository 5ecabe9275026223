/** The address and the key with which a batch of calls is sent. It holds a secret. */
export interface BatchAccount {
  /** Id of the provider. */
  provider: string
  base_url: string
  headers: Readonly<Record<string, string>>
  /** Whether the operator chose the base URL, which may then be a private address. */
  trusted: boolean
  key?: string
}

/** A call that may go through the batch interface of its provider. */
export interface CollectedCall {
  account: BatchAccount
  model: string
  /** Path of the call in the provider's batch interface, such as `/v1/chat/completions`. */
  path: string
  /** JSON text, as it would be sent at once. */
  body: string
  /** Throws when the rules of the collection forbid the call, such as `budget_exceeded`. */
  admit(): Promise<void>
  /** What it may cost at the price of a batch: reserved while the batch is out. */
  estimate(): Promise<{ usd: number | null; tokens: number }>
}

/** What a provider answered to a collected call. */
interface CollectedAnswer {
  /** HTTP status. */
  status: number
  /** JSON text. */
  body: string
  /** US dollars; null when the price is unknown. */
  usd: number | null
}

/** Sends the calls of a step through batches. */
export interface CallCollector {
  /** Returns the answer of a call; undefined: the call must be sent at once. Throws `AwaitsBatch` while neither is known. */
  ask(call: CollectedCall): Promise<CollectedAnswer | undefined>
  /** Keeps the answer of a call that was sent at once, so that the step does not send it again after a wait. */
  keep(call: CollectedCall, answer: CollectedAnswer & { tokens: number }): Promise<void>
  /** Takes the reason why a call goes to its provider at once, and at the full price. */
  decline(reason: string): void
}

/** Thrown by a call of a model that a batch will answer: the step waits, and is then carried out anew. */
export class AwaitsBatch extends Error {
  constructor() {
    super('The call waits for a batch of its provider')
    this.name = 'AwaitsBatch'
  }
}

/** Returned instead of outputs: wait until batches have answered the calls of this step; then the activity runs again. */
export class WaitForBatch {
  readonly isWaitForBatch = true
}

import type { Fetch } from '../lib/net/net.ts'
import type { ModelCaller } from '../model/gateway/chat.ts'
import type { Predict, PredictionOptions, UploadInput } from '../model/gateway/prediction.ts'
import { resolveProvider } from './models/resolve.ts'
import { unroutable } from './models/unroutable.ts'
import type { Asked, CallLimits, LookUpVariable, Provider, Target } from './provider.ts'
import { openAiWire } from './wires/openai/wire.ts'
import { predictAtReplicate, uploadToReplicate } from './wires/replicate.ts'
import type { ReplicateAccount } from './wires/replicate-api.ts'

interface Ways {
  fetch: Fetch
  trustedFetch: Fetch
  serverUrl: LookUpVariable
  lentKeys?: LookUpVariable
  limits: CallLimits
}

/** Its models have inputs and outputs of their own, so it answers none of the shapes. */
export const replicate: Provider = {
  id: 'replicate',
  name: 'Replicate',
  aliases: [],
  base_url: 'https://api.replicate.com/v1',
  base_url_variable: 'REPLICATE_BASE_URL',
  paths: {},
  keys: ['REPLICATE_API_TOKEN', 'REPLICATE_API_KEY'],
  auth: 'bearer',
  wire: openAiWire,
  source: 'npm replicate 1.4.0; https://replicate.com/docs/reference/http',
}

/** Makes the calls of models that have inputs of their own: at Replicate, with the caller's key or a lent one. */
export const makePredictions = (
  ways: Ways,
): { predict: Predict; uploadInput: UploadInput; findAccount: typeof findAccount } => {
  /** Throws `model_unavailable` without a key. */
  const findAccount = ({ model, key }: Asked, caller: Pick<ModelCaller, 'env' | 'lent'>): Target => {
    const { serverUrl, lentKeys = () => undefined } = ways
    const at = { env: (name: string) => caller.env(name), lent: caller.lent?.bind(caller), serverUrl, lentKeys }
    const asked = { model, key: key?.trim() || undefined }
    const found = resolveProvider(replicate, asked, at)
    if ('variables' in found) throw unroutable(asked, found, [])
    return found
  }
  const accountOf = async (
    model: string,
    caller: ModelCaller,
    { key }: PredictionOptions = {},
  ): Promise<ReplicateAccount> => {
    const found = findAccount({ model, key }, caller)
    const { base_url: url, trusted } = found
    await caller.admit?.({ provider: replicate.id, model, url, trusted, hasPrice: async () => false })
    return { target: found, fetch: trusted ? ways.trustedFetch : ways.fetch, limits: ways.limits }
  }
  return {
    findAccount,
    predict: async (request, caller, options) =>
      predictAtReplicate(await accountOf(request.model, caller, options), request, caller.signal),
    uploadInput: async (file, caller, options) =>
      uploadToReplicate(await accountOf('a file', caller, options), file, caller.signal),
  }
}

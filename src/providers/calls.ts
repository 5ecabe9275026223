import type { Dispatcher } from 'undici'
import { isObject } from '../lib/json/json-object.ts'
import type { Fetch } from '../lib/net/net.ts'
import type {
  CallModel,
  ChatCompletion,
  ChatOptions,
  ChatRequest,
  ModelCaller,
  StreamModel,
} from '../model/gateway/chat.ts'
import type { EmbedTexts } from '../model/gateway/embedding.ts'
import type { MakeImages } from '../model/gateway/image.ts'
import type { Shape } from '../model/gateway/shape.ts'
import { makeDownload } from './downloads.ts'
import { makeJsonMode } from './json-mode.ts'
import { makeOpenCall } from './open-call.ts'
import { costOf } from './prices/prices.ts'
import {
  type Asked,
  type CallLimits,
  recordedModel,
  type Target,
  type WireCall,
  type WireProtocol,
} from './provider.ts'
import { makeSchemaMode } from './schema-mode.ts'
import { withRetries } from './upstream/retry.ts'
import { makeUsageQuestion } from './upstream/usage/stream-usage.ts'
import { statedCostIn, usageIn } from './upstream/usage/usage.ts'
import { openAiWire } from './wires/openai/wire.ts'

export interface Ways {
  /** The guarded network. */
  fetch: Fetch
  /** The guarded agent, or the one that reaches the server's own base URLs. */
  agent(trusted: boolean): Promise<Dispatcher>
  limits: CallLimits
}

/** Resolves a model. Throws `model_unavailable`. */
type FindTarget = (asked: Asked, caller: ModelCaller, shape: Shape) => Promise<Target>

const textOf = (completion: ChatCompletion): string => {
  const content = completion.choices[0]?.message.content
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => (typeof part.text === 'string' ? part.text : '')).join('')
}

const answeredBy = (target: Target) => ({ provider: target.provider.id, model: recordedModel(target) })

/** Combines wires, retries and prices to calls in OpenAI's shape, whichever provider answers. */
export const makeCalls = (
  ways: Ways,
  find: FindTarget,
): { call: CallModel; stream: StreamModel; embed: EmbedTexts; image: MakeImages } => {
  const begin = async (asked: Asked, caller: ModelCaller, shape: Shape): Promise<[WireProtocol, WireCall]> => {
    const target = await find(asked, caller, shape)
    const call: WireCall = {
      ...target,
      open: makeOpenCall(target, ways, caller),
      download: makeDownload(ways.fetch, caller, ways.limits),
      // With a lent key, no variable of the caller's environment may influence the call.
      env: (name) => (target.provider.keys.some((key) => caller.lent?.(key)) ? undefined : caller.env(name)),
      limits: ways.limits,
      signal: caller.signal,
    }
    // A provider that answers OpenAI's shape is asked in it, so that gateway and steps get the same answer.
    const wire = target.native ? openAiWire : target.provider.wire
    return [await wire.load(), call]
  }
  const asked = (model: string, { provider, key }: ChatOptions = {}): Asked => ({ model, provider, key })
  const inJsonMode = makeJsonMode()
  const inSchemaMode = makeSchemaMode(inJsonMode)
  const askForUsage = makeUsageQuestion()

  return {
    async call(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'chat')
      const complete = (sent: ChatRequest) => withRetries(() => wire.complete(sent, call), ways.limits, caller)
      const { completion, warnings } = await (chosen?.schema
        ? inSchemaMode({ request, schema: chosen.schema }, call, complete)
        : chosen?.prefersJson
          ? inJsonMode(request, call, complete)
          : complete(request))
      const usage = usageIn(completion.usage)
      return {
        completion,
        text: textOf(completion),
        ...answeredBy(call),
        usage,
        cost_usd: await costOf(call, usage, statedCostIn(completion.usage)),
        ...(warnings.length > 0 ? { warnings } : {}),
      }
    },
    async stream(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'chat')
      const { stream_options: options, ...plain } = request
      const asking = { ...plain, stream_options: { ...(isObject(options) && options), include_usage: true } }
      const open = (sent: ChatRequest) => withRetries(() => wire.stream(sent, call), ways.limits, caller)
      const { chunks, warnings } = await askForUsage(call, { asking, plain }, open)
      return { ...answeredBy(call), warnings, chunks }
    },
    async embed(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'embeddings')
      const { embeddings, usage, warnings } = await withRetries(() => wire.embed(request, call), ways.limits, caller)
      return { embeddings, ...answeredBy(call), usage, cost_usd: await costOf(call, usage), warnings }
    },
    async image(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'images')
      const drawn = await withRetries(() => wire.draw(request, call), ways.limits, caller)
      const { images, text, usage, stated_cost: stated, warnings } = drawn
      return { images, text, ...answeredBy(call), usage, cost_usd: await costOf(call, usage, stated), warnings }
    },
  }
}

import type { Dispatcher } from 'undici'
import type { Fetch } from '../lib/net/net.ts'
import { makeOpener } from '../lib/net/open.ts'
import { countedChunks } from '../lib/net/taken-room.ts'
import type { CallModel, ChatCompletion, ChatOptions, ModelCaller, StreamModel } from '../model/gateway/chat.ts'
import type { EmbedTexts } from '../model/gateway/embedding.ts'
import type { MakeImages } from '../model/gateway/image.ts'
import type { Shape } from '../model/gateway/shape.ts'
import { makeDownload } from './downloads.ts'
import { costOf } from './prices/prices.ts'
import { statedCostIn, usageIn } from './prices/usage.ts'
import type { Asked, Target } from './provider.ts'
import { withRetries } from './retry.ts'
import { scriptedWire } from './wires/scripted.ts'
import type { CallLimits, WireCall, WireProtocol } from './wires/wire.ts'

export interface Ways {
  /** The guarded way out. */
  fetch: Fetch
  /** What calls are sent with: the guarded agent, or the one to the base URLs of the server. */
  agent(trusted: boolean): Promise<Dispatcher>
  limits: CallLimits
}

/** Who answers; throws `model_unavailable`. */
export type FindTarget = (asked: Asked, caller: ModelCaller, shape: Shape) => Promise<Target>

/**
 * Whoever answers in OpenAI's own shape is spoken to in it, so that the gateway and the steps get the same; the rest by
 * their wires. They are loaded with the first call that needs one.
 */
const wireOf = async ({ native, provider: { wire } }: Target): Promise<WireProtocol> => {
  if (wire === 'scripted') return scriptedWire
  if (native || wire === 'openai') return (await import('./wires/openai.ts')).openAiWire
  return (await import('./wires/ai-sdk/wire.ts')).aiSdkWire
}

const textOf = (completion: ChatCompletion): string => {
  const content = completion.choices[0]?.message.content
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => (typeof part.text === 'string' ? part.text : '')).join('')
}

/** Who answered, as it is recorded; where the name of a scripted model stands alone, it still says what it is. */
const answeredBy = ({ provider, model }: Target) => ({
  provider: provider.id,
  model: provider.wire === 'scripted' ? `${provider.id}/${model}` : model,
})

/** Puts wires, retries and prices together: every call of a model in OpenAI's shape, whoever answers it. */
export const makeCalls = (
  ways: Ways,
  find: FindTarget,
): { call: CallModel; stream: StreamModel; embed: EmbedTexts; image: MakeImages } => {
  const begin = async (asked: Asked, caller: ModelCaller, shape: Shape): Promise<[WireProtocol, WireCall]> => {
    const target = await find(asked, caller, shape)
    const call: WireCall = {
      ...target,
      async open(url, request) {
        const answer = await makeOpener(await ways.agent(target.trusted))(url, request)
        return caller.room ? { ...answer, body: countedChunks(answer.body, caller.room) } : answer
      },
      download: makeDownload(ways.fetch, caller, ways.limits),
      // A key that the server lends is used where the server itself would use it, and nowhere that a caller names.
      env: (name) => (target.provider.keys.some((key) => caller.lent?.(key)) ? undefined : caller.env(name)),
      limits: ways.limits,
      signal: caller.signal,
    }
    return [await wireOf(target), call]
  }
  const asked = (model: string, chosen: ChatOptions = {}): Asked => ({ model, ...chosen })

  return {
    async call(request, caller, chosen) {
      const [wire, call] = await begin(asked(request.model, chosen), caller, 'chat')
      const { completion, warnings } = await withRetries(() => wire.complete(request, call), ways.limits, caller)
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
      const { chunks, warnings } = await withRetries(() => wire.stream(request, call), ways.limits, caller)
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

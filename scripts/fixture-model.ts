import { completion, type FakeOpenAi, startFakeOpenAi } from '../test/fakes/openai.ts'
import { answer } from './fixture-run.ts'

const news = 'Hamburg opens its longest jetty. Busan counts more ships than ever. In Oslo, the boats are electric now.'
const replies: [pattern: RegExp, text: string, ms: number][] = [
  [/^News, numbers/, news, 700],
  [/./s, answer, 1_300],
]

/** A model that answers like a model: with something to read, after a moment, and for money. */
export const startFixtureModel = async (slower = 1): Promise<FakeOpenAi> => {
  const model = await startFakeOpenAi()
  model.choose((body) => {
    const last = String(body.messages?.at(-1)?.content ?? '')
    const [, text = answer, delayMs = 500] = replies.find(([pattern]) => pattern.test(last)) ?? []
    const tokens = (characters: number) => Math.ceil(characters / 4)
    const [prompt_tokens, completion_tokens] = [tokens(JSON.stringify(body.messages).length), tokens(text.length)]
    const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
    return { delayMs: delayMs * slower, body: completion(String(body.model), text, { usage }) }
  })
  return model
}

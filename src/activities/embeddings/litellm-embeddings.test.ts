import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import type { EmbeddingAnswer, EmbeddingRequest } from '../../model/gateway/embedding.ts'
import { litellmEmbeddings } from './litellm-embeddings.ts'

const embedding = (change: (answer: EmbeddingAnswer) => EmbeddingAnswer = (answer) => answer) => {
  const asked: EmbeddingRequest[] = []
  const context = makeTestContext({
    calls: {
      embed: async (request) => {
        asked.push(request)
        const texts = [request.input].flat() as string[]
        // A later call may well be answered before an earlier one.
        await new Promise((resolve) => setTimeout(resolve, 20 / asked.length))
        return change({
          embeddings: texts.map((text) => [text.length, Number(text.replace(/\D/g, ''))]),
          provider: 'openai',
          model: 'text-embedding-3-small',
          usage: { prompt_tokens: texts.length, completion_tokens: 0, total_tokens: texts.length },
          cost_usd: 0.5,
          warnings: [],
        })
      },
    },
  })
  const run = async (parameters: Record<string, unknown>) =>
    (await runActivity(litellmEmbeddings, parameters, context)) as Record<string, unknown>
  return { asked, context, run }
}

describe('litellm_embeddings', () => {
  it('makes a vector of a text', async () => {
    const { asked, run } = embedding()
    expect(await run({ input: 'abc 1', dimensions: 2 })).toEqual({
      embeddings: [[5, 1]],
      dimensions: 2,
      model: 'text-embedding-3-small',
      provider: 'openai',
      usage: { prompt_tokens: 1, completion_tokens: 0, total_tokens: 1 },
      cost_usd: 0.5,
    })
    expect(asked).toEqual([{ model: 'text-embedding-3-small', input: ['abc 1'], dimensions: 2 }])
  })

  it('sends many in several calls, keeps their order, and adds up what they cost', async () => {
    const { asked, run } = embedding()
    const input = Array.from({ length: 250 }, (_, at) => `text ${at}`)
    const outputs = await run({ input })
    expect(asked.map((one) => one.input.length)).toEqual([96, 96, 58])
    expect((outputs.embeddings as number[][]).map(([, at]) => at)).toEqual(input.map((_, at) => at))
    expect(outputs).toMatchObject({ usage: { prompt_tokens: 250, total_tokens: 250 }, cost_usd: 1.5 })
  })

  it('does not know the cost where one call has none', async () => {
    const { run } = embedding((answer) => ({ ...answer, cost_usd: null, usage: null }))
    expect(await run({ input: 'x' })).toMatchObject({ cost_usd: null, usage: null })
  })

  it.each([
    [[], 'an empty list'],
    ['  ', 'empty at index 0'],
    [['a', ''], 'empty at index 1'],
  ])('does not send %j', async (input, words) => {
    const { asked, run } = embedding()
    await expect(run({ input })).rejects.toMatchObject({
      code: 'parameter_invalid',
      message: expect.stringContaining(words),
    })
    expect(asked).toEqual([])
  })

  it.each([
    ['too few', (answer: EmbeddingAnswer) => ({ ...answer, embeddings: answer.embeddings.slice(1) })],
    ['uneven', (answer: EmbeddingAnswer) => ({ ...answer, embeddings: [[1], [1, 2]] })],
  ])('fails where the vectors are %s', async (_, change) => {
    await expect(embedding(change).run({ input: ['a1', 'b2'] })).rejects.toMatchObject({ code: 'upstream_failed' })
  })
})

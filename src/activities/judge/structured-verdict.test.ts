import { expect, it } from 'vitest'
import { makeTestContext, modelAnswer, runActivity, type TestContext } from '../../../test/activity-context.ts'
import type { ChatOptions, ChatRequest } from '../../model/gateway/chat.ts'
import { schemaPromptVersion } from './prompt.ts'
import { simpleJudge } from './simple-judge.ts'

interface Asked {
  context: TestContext
  requests: ChatRequest[]
  /** The schemas that were asked for. */
  schemas: unknown[]
}

/** A context in which the model says these texts one after the other. */
const judging = (says: string[]): Asked => {
  const requests: ChatRequest[] = []
  const schemas: unknown[] = []
  const models = (request: ChatRequest, options?: ChatOptions) => {
    if (options?.schema) schemas.push(options.schema)
    requests.push(structuredClone(request))
    return modelAnswer(says[requests.length - 1] ?? 'not asked for')
  }
  return { context: makeTestContext({ models }), requests, schemas }
}

type Outputs = Record<string, unknown> & { results: Record<string, unknown>[] }
const judge = async (parameters: Record<string, unknown>, { context }: Asked): Promise<Outputs> =>
  (await runActivity(simpleJudge, { instruction: 'Is it clear?', ...parameters }, context)) as Outputs
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  )
const lastWords = (request: ChatRequest | undefined): string => String(request?.messages.at(-1)?.content)

const output_schema = {
  type: 'object',
  properties: { score: { type: 'number' }, flaws: { type: 'array', items: { type: 'string' } } },
  required: ['score', 'flaws'],
}
const fits = '{"score": 2, "flaws": ["too long"]}'

it('the answer is json, and its other members are outputs', async () => {
  const asked = judging([fits])
  const outputs = await judge({ item: 'x', output_schema }, asked)
  expect(outputs).toMatchObject({ score: 2, flaws: ['too long'], json: { score: 2, flaws: ['too long'] } })
  expect(outputs.results[0]).toMatchObject({ json: { flaws: ['too long'] }, raw_result: fits })
  expect(outputs.prompt_version).toBe(schemaPromptVersion)
  expect(asked.schemas).toEqual([output_schema])
  expect(lastWords(asked.requests[0])).toMatch(/Its member "score" is your verdict\.\n$/)
})

it('an answer that does not fit, or has no verdict, is asked for once more, and then fails', async () => {
  const asked = judging(['{"score": 3}', fits])
  expect(await judge({ item: 'x', output_schema }, asked)).toMatchObject({ score: 2 })
  expect(lastWords(asked.requests[1])).toMatch(/That answer cannot be used: .*flaws/)
  expect(await failure(judge({ item: 'x', output_schema }, judging(['{"score": 3}', '{"score": 3}'])))).toMatchObject({
    message: expect.stringMatching(/two attempts: .*flaws/),
  })
  const none = '{"flaws": ["x"]}'
  const open = { type: 'object', properties: { flaws: {} } }
  expect(await failure(judge({ item: 'x', output_schema: open }, judging([none, none])))).toMatchObject({
    message: expect.stringMatching(/no 'score'/),
  })
})

it('each of several items has its own json', async () => {
  const outputs = await judge({ items: ['a', 'b'], output_schema }, judging([fits, fits]))
  expect(outputs.results.map(({ json }) => json)).toEqual([JSON.parse(fits), JSON.parse(fits)])
  expect(outputs.json).toBeNull()
  expect(outputs).not.toHaveProperty('flaws')
})

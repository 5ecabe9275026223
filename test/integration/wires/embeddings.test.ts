import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { json, startWireServer, type WireServer } from '../../fakes/wire-server.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let openai: WireServer
let jetty: TestServer
beforeAll(async () => {
  openai = await startWireServer(({ body }) => {
    const length = body.dimensions ?? 64
    const data = body.input.map((text: string, index: number) => ({
      object: 'embedding',
      index,
      embedding: [Number(text.replace(/\D/g, '')), ...Array(length - 1).fill(0.012345)],
    }))
    // In another order than it was asked: the index counts.
    return json({ data: data.reverse(), model: body.model, usage: { prompt_tokens: 100, total_tokens: 100 } })
  })
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: `${openai.url}/v1` } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-vectors-61fd03' },
  })
})
beforeEach(() => {
  openai.asked.length = 0
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

const embed = (config: Record<string, unknown>, init_params = {}) =>
  jetty.run({
    init_params,
    step_configs: { vectors: { activity: 'litellm_embeddings', ...config } },
    steps: ['vectors'],
  })

it('a text becomes one vector', async () => {
  const run = await embed({ input: 'text 7', dimensions: 3 })
  expect([run.status, run.error]).toEqual(['completed', null])
  expect(run.steps.vectors.outputs).toMatchObject({
    embeddings: [[7, 0.012345, 0.012345]],
    dimensions: 3,
    model: 'text-embedding-3-small',
    provider: 'openai',
    usage: { prompt_tokens: 100, total_tokens: 100 },
  })
  expect(run.steps.vectors.outputs.cost_usd).toBeCloseTo(100 * 0.02e-6, 12)
  expect(openai.asked[0]).toMatchObject({
    path: '/v1/embeddings',
    headers: { authorization: 'Bearer sk-unmistakable-vectors-61fd03' },
    body: { model: 'text-embedding-3-small', dimensions: 3 },
  })
})

it('a long list keeps its order over several calls, and its vectors are kept out of the row', async () => {
  const texts = Array.from({ length: 200 }, (_, at) => `text ${at}`)
  const run = await embed({ input_path: 'init_params.texts' }, { texts })
  const { embeddings, usage, dimensions } = run.steps.vectors.outputs
  expect(embeddings.map(([at]: number[]) => at)).toEqual(texts.map((_, at) => at))
  expect([openai.asked.length, usage.prompt_tokens, dimensions]).toEqual([3, 300, 64])
  const rows = await jetty.server.database.query<{ length: number | null }>(
    'select length(outputs::text) from steps order by length(outputs::text) desc nulls last limit 1',
  )
  expect(rows[0]?.length ?? 0).toBeLessThan(64 * 1024)
})

it('a list that is no list of texts is not sent', async () => {
  const run = await embed({ input: [1, { a: 2 }] })
  expect(run.steps.vectors.error_detail).toMatchObject({
    code: 'parameter_invalid',
    hint: 'GET /api/v1/step-templates/litellm_embeddings lists the parameters.',
  })
  expect(run.error).toContain("parameter 'input' of litellm_embeddings is not valid: Invalid input: ")
  expect(run.error).toContain('expected string, received array; or at 0 expected string, received number')
  expect(openai.asked).toEqual([])
})

it('a refusal fails the step in its own words', async () => {
  openai.script({ status: 400, body: '{"error":{"message":"This model does not take dimensions"}}' })
  const run = await embed({ input: 'x', dimensions: 3 })
  expect(run.error).toContain('OpenAI answered 400: This model does not take dimensions')
})

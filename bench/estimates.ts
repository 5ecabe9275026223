/**
 * Estimates of workflows from `examples` against the bill of their provider: each is recorded some times, a batch of it is
 * estimated, and the batch is executed. Lengths of answers, verdicts, loops, tools and children are drawn at random.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeRandom } from '../src/lib/random.ts'
import { pause } from '../src/lib/time.ts'
import type { Estimate } from '../src/model/runs/estimate.ts'
import { type Asked, completion, startFakeOpenAi } from '../test/fakes/openai.ts'
import { root } from './lib/built.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const recorded = isQuick ? 12 : 60
const count = isQuick ? 20 : 200
/** The estimate may be off by this share of the bill. */
const near = 0.15
/** US dollars for a million tokens, as the provider charges them: in, out. */
const prices: Record<string, readonly [number, number]> = { 'gpt-4o-mini': [0.15, 0.6], 'gpt-4o': [2.5, 10] }

const random = makeRandom(20_260)
const whole = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1))
const words = (mean: number): string =>
  Array.from({ length: 1 + Math.floor(-Math.log(1 - random()) * mean) }, () => 'word'.repeat(whole(1, 2))).join(' ')
const one = <Value>(values: readonly Value[]): Value => values[whole(0, values.length - 1)] as Value

/** Workflows of `examples`, the tasks that they start, and what an item of a batch says. */
const workflows: { name: string; children?: string[]; item(): Record<string, unknown> }[] = [
  { name: 'quick-chat', item: () => ({ prompt: words(200), model: one(['gpt-4o-mini', 'gpt-4o']) }) },
  { name: 'classify-ticket', item: () => ({ ticket: { id: 't', text: words(100) } }) },
  { name: 'conversation', item: () => ({ prompt: words(60) }) },
  { name: 'side-by-side', item: () => ({ question: words(40) }) },
  { name: 'refine', item: () => ({ topic: words(30) }) },
  { name: 'publish-or-revise', item: () => ({ text: words(80) }) },
  { name: 'text-evaluation', item: () => ({ prompt: words(50) }) },
  { name: 'fan-out-analysis', children: ['analyze-chunk'], item: () => ({ text: words(20) }) },
  {
    name: 'batch-processor',
    children: ['process-single-item'],
    item: () => ({ items: Array.from({ length: whole(1, 9) }, () => words(20)) }),
  },
  { name: 'order-desk', item: () => ({ question: words(20) }) },
]

/** What the examples use of JSON Schema. */
interface Schema {
  type?: string
  enum?: readonly unknown[]
  minimum?: number
  maximum?: number
  items?: Schema
  properties?: Record<string, Schema>
}

/** A value that a schema allows. */
const drawnFrom = (schema: Schema): unknown => {
  if (schema.enum) return one(schema.enum)
  if (schema.type === 'integer' || schema.type === 'number') return whole(schema.minimum ?? 1, schema.maximum ?? 5)
  if (schema.type === 'boolean') return random() < 0.5
  if (schema.type === 'array') return Array.from({ length: whole(0, 4) }, () => drawnFrom(schema.items ?? {}))
  if (schema.type !== 'object') return words(20)
  return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, part]) => [name, drawnFrom(part)]))
}

/** What a model answers to a request: a value for its schema, a verdict, a call of a tool, or words. */
const answerTo = (body: Asked['body']): { content: string; more?: object } => {
  const text: string = body.messages.map(({ content }: { content: unknown }) => JSON.stringify(content)).join('\n')
  if (body.tools && random() < 0.5) {
    const call = { name: body.tools[0].function.name, arguments: '{"expression":"$count(orders)"}' }
    const message = {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'call-1', type: 'function', function: call }],
    }
    return { content: call.arguments, more: { choices: [{ index: 0, message, finish_reason: 'tool_calls' }] } }
  }
  const schema = body.response_format?.json_schema?.schema
  if (schema) return { content: JSON.stringify(drawnFrom(schema)) }
  if (text.includes('impartial judge')) {
    const categories = ['at once', 'with effort', 'not at all'].filter((name) => text.includes(name))
    const dimensions = ['correctness', 'clarity', 'brevity'].filter((name) => text.includes(name))
    const score = whole(1, 5)
    const scores = Object.fromEntries(dimensions.map((name) => [name, score]))
    const verdict = categories.length > 0 ? { label: one(categories) } : { score, dimensions: scores }
    return { content: JSON.stringify({ explanation: words(60), ...verdict }) }
  }
  if (body.response_format) return { content: JSON.stringify({ summary: words(40), entities: [words(2)] }) }
  return { content: words(250) }
}

await stage(
  'estimates',
  async ({ report, jetty }) => {
    const provider = await startFakeOpenAi()
    let bill = 0
    provider.choose((body) => {
      const { content, more } = answerTo(body)
      const usage = {
        prompt_tokens: Math.ceil(JSON.stringify(body.messages).length / 4),
        completion_tokens: Math.ceil(content.length / 4),
      }
      const [input, output] = prices[body.model] ?? [0, 0]
      bill += (usage.prompt_tokens * input + usage.completion_tokens * output) / 1e6
      const total = { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens }
      return { body: completion(body.model, content, { ...more, usage: total }) }
    })
    const server = await jetty({ environment: { OPENAI_BASE_URL: provider.url } })
    const call = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> => {
      const { status, text } = await server.call(method, path, body)
      if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`)
      return JSON.parse(text)
    }
    const keys = { environment_variables: { OPENAI_API_KEY: 'sk-bench' } }
    await call('PATCH', '/api/v1/collections/demo/environment', keys)
    const store = async (name: string) => {
      const { description, ...workflow } = JSON.parse(
        readFileSync(join(root, 'examples', `${name}.json`), 'utf8').replaceAll('gemini-2.0-flash', 'gpt-4o'),
      )
      await call('POST', '/api/v1/tasks/demo', { name, description, workflow })
    }
    /** Executes a batch; returns the cost on record and on the provider's bill, in US dollars, and what failed. */
    const execute = async (name: string, items: object[]) => {
      const before = bill
      const { batch_id: id } = await call<{ batch_id: string }>('POST', `/api/v1/run-batch/demo/${name}`, { items })
      for (;;) {
        const batch = await call<{ ended: string | null; cost_usd: number; counts: { failed: number } }>(
          'GET',
          `/api/v1/batches/demo/${id}?limit=0`,
        )
        if (batch.ended !== null) return { ...batch, paid: bill - before }
        await pause(100)
      }
    }
    const rows: (string | number)[][] = []
    const errors: number[] = []
    let inside = 0
    let [apart, failed] = [0, 0]
    for (const { name, children = [], item } of workflows) {
      for (const task of [...children, name]) await store(task)
      await execute(name, Array.from({ length: recorded }, item))
      const { cost_usd: cost } = await call<Estimate>('POST', `/api/v1/estimates/demo/${name}`, { count })
      const batch = await execute(name, Array.from({ length: count }, item))
      const expected = cost?.expected ?? 0
      const [low, high] = [cost?.low ?? 0, cost?.high ?? 0]
      errors.push(Math.abs(expected / batch.paid - 1))
      if (low <= batch.paid && batch.paid <= high) inside++
      apart = Math.max(apart, Math.abs(batch.cost_usd - batch.paid))
      failed += batch.counts.failed
      const usd = (value: number) => `$${value.toFixed(4)}`
      const error = `${((expected / batch.paid - 1) * 100).toFixed(1)} %`
      rows.push([name, usd(expected), `${usd(low)} to ${usd(high)}`, usd(batch.paid), error])
    }
    await provider.close()
    report.table(`Batches of ${count} runs, estimated from ${recorded} recorded ones`, [
      ['workflow', 'estimate', '90 % interval', 'bill', 'error'],
      ...rows,
    ])
    const share = errors.filter((error) => error <= near).length / errors.length
    report.aim(`estimates within ${near * 100} % of the bill`, share, 'at least', 0.8)
    report.aim('bills inside the 90 % interval', inside / workflows.length, 'at least', 0.8)
    report.figure('error of an estimate, as a share of the bill', errors)
    report.aim('US dollars between record and bill', apart, 'at most', 1e-6)
    report.figure('runs that failed, as at the most turns of their tools', failed)
  },
  { longestSeconds: 900 },
)

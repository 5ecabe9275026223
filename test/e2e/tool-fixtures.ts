// A chat step with tools, made up: a recorded run whose step has called some, and one that is about to.
import type { StepCall } from '../../src/model/runs/step-call.ts'
import { readFixture } from './fixture-server.ts'

const { page, answers } = readFixture('runs', 'chat')
const step = 'look'
const recorded = Object.entries(answers).find(([key]) => key.endsWith(`/steps/${step}`))
const [key = '', answer] = recorded ?? []
const whole = JSON.parse(answer?.body ?? '{}') as Record<string, unknown>

const call = (id: string, city: string) => ({
  ...{ id, type: 'function' },
  function: { name: 'weather', arguments: JSON.stringify({ city }) },
})
const turn = (n: number, message: object): StepCall => ({
  ...{ type: 'model', turn: n, model: 'gpt-4o-mini', provider: 'openai', finish_reason: 'stop', cost_usd: 0.00042 },
  usage: { prompt_tokens: 812 * n, completion_tokens: 64, total_tokens: 812 * n + 64 },
  ...{ message: { role: 'assistant', ...message }, duration_seconds: 1.4 },
})
const end = (id: string, status: 'completed' | 'refused', content: string): StepCall => ({
  ...{ type: 'tool', turn: 1, id, tool: 'weather', status, content, duration_seconds: 0.2 },
})

const calls: StepCall[] = [
  turn(1, { content: 'I look both up.', tool_calls: [call('call_1', 'Oslo'), call('call_2', '')] }),
  end('call_1', 'completed', '{"city":"Oslo","degrees":4,"wind":"north"}'),
]
const refused = end('call_2', 'refused', 'Error: city must not be empty.')
const last = turn(2, { content: 'It is **4 °C** in Oslo. The second city was not named.' })
const inputs = { model: 'gpt-4o-mini', prompt: 'Is it warmer in Oslo or in Bern today?' }
const config = { activity: 'litellm_chat', ...inputs, tools: [{ name: 'weather', activity: 'http_request' }] }
const shown = { ...whole, activity: 'litellm_chat', inputs, config }

const message = (one: StepCall) => (one.type === 'model' ? one.message : {})
const outputs = {
  ...{ text: 'It is **4 °C** in Oslo. The second city was not named.', model: 'gpt-4o-mini', provider: 'openai' },
  ...{ usage: { prompt_tokens: 2436, completion_tokens: 128, total_tokens: 2564 }, cost_usd: 0.00084, turns: 2 },
  tool_calls: [
    ...[{ turn: 1, id: 'call_1', name: 'weather', arguments: { city: 'Oslo' }, status: 'completed' }],
    ...[{ turn: 1, id: 'call_2', name: 'weather', arguments: { city: '' }, status: 'refused' }],
  ].map((one) => ({ ...one, duration_seconds: 0.2 })),
  model_calls: [calls[0], last],
  messages: [
    { role: 'user', content: inputs.prompt },
    message(calls[0] as StepCall),
    { role: 'tool', tool_call_id: 'call_1', content: '{"city":"Oslo","degrees":4,"wind":"north"}' },
    { role: 'tool', tool_call_id: 'call_2', content: 'Error: city must not be empty.' },
    message(last),
  ],
}
const address = `${page}?step=${step}&panel=output`

/** The conversation of a step with tools: ended, and at work. */
export const toolFixtures = [
  { name: 'tools', page: address, answers: { [key]: { ...shown, outputs } } },
  {
    name: 'tools-at-work',
    page: address,
    answers: {
      [key]: { ...shown, status: 'running', ended: null, duration_seconds: null, outputs: {} },
      [`${key}/calls`]: {
        calls: [...calls, refused].map((one, n) => ({ n, at: '2026-11-28T12:00:00Z', call: one })),
        next_after: null,
      },
    },
  },
]

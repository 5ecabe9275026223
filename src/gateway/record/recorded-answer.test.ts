import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { answerFrom } from './recorded-answer.ts'

const texts = (events: unknown[]): string[] => events.map((event) => JSON.stringify(event))

/** A text in pieces that together are the text. */
const pieces = (text: string, sizes: number[]): string[] => {
  const cut: string[] = []
  let at = 0
  for (const size of sizes) {
    if (at >= text.length) break
    cut.push(text.slice(at, at + size))
    at += size
  }
  return at < text.length ? [...cut, text.slice(at)] : cut
}

const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 8 })
const words = fc.string({ minLength: 1, maxLength: 30 })

describe('a streamed chat', () => {
  const call = fc.record({ id: words, name: words, arguments: words })
  const choice = fc.record({
    content: fc.option(words),
    reasoning: fc.option(words),
    calls: fc.array(call, { maxLength: 3 }),
    reason: fc.constantFrom('stop', 'length', 'tool_calls'),
  })

  it('is the answer that it was cut from, however it was cut', () => {
    fc.assert(
      fc.property(fc.array(choice, { minLength: 1, maxLength: 3 }), sizes, (choices, cuts) => {
        const head = { id: 'c-1', object: 'chat.completion.chunk', created: 1, model: 'm' }
        const chunk = (index: number, delta: object, reason: string | null = null) => ({
          ...head,
          choices: [{ index, delta, finish_reason: reason }],
        })
        const events = choices.flatMap(({ content, reasoning, calls, reason }, index) => [
          chunk(index, { role: 'assistant', content: null }),
          ...pieces(reasoning ?? '', cuts).map((piece) => chunk(index, { reasoning_content: piece })),
          ...pieces(content ?? '', cuts).map((piece) => chunk(index, { content: piece })),
          ...calls.flatMap(({ id, name, arguments: given }, at) => [
            chunk(index, { tool_calls: [{ index: at, id, type: 'function', function: { name, arguments: '' } }] }),
            ...pieces(given, cuts).map((piece) =>
              chunk(index, { tool_calls: [{ index: at, function: { arguments: piece } }] }),
            ),
          ]),
          chunk(index, {}, reason),
        ])
        const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
        expect(answerFrom('chat', texts([...events, { ...head, choices: [], usage }]))).toEqual({
          ...head,
          object: 'chat.completion',
          usage,
          choices: choices.map(({ content, reasoning, calls, reason }, index) => ({
            index,
            message: {
              role: 'assistant',
              content,
              ...(reasoning === null ? {} : { reasoning_content: reasoning }),
              ...(calls.length === 0
                ? {}
                : {
                    tool_calls: calls.map(({ id, name, arguments: given }) => ({
                      id,
                      type: 'function',
                      function: { name, arguments: given },
                    })),
                  }),
            },
            finish_reason: reason,
          })),
        })
      }),
    )
  })

  it('takes two tool calls in one delta, refusals, logprobs and members that nobody knows', () => {
    const event = (delta: object, more: object = {}) => ({ choices: [{ index: 0, delta, ...more }], service_tier: 'x' })
    const call = (index: number, given: string) => ({
      index,
      id: `c${index}`,
      function: { name: 'f', arguments: given },
    })
    const answer = answerFrom(
      'chat',
      texts([
        event(
          { refusal: 'I ca', tool_calls: [call(1, '{"b"'), call(0, '{"a"')] },
          { logprobs: { content: [{ token: 'a' }] } },
        ),
        event({ refusal: "n't", tool_calls: [{ index: 0, function: { arguments: ':1}' } }], audio: { data: 'QUJD' } }),
        event({ audio: { data: 'REVG' }, annotations: [{ url: 'u' }] }, { logprobs: { content: [{ token: 'b' }] } }),
        event({ tool_calls: [{ index: 1, function: { arguments: ':2}' } }], annotations: [{ url: 'v' }] }),
      ]),
    )
    expect(answer).toMatchObject({
      service_tier: 'x',
      choices: [
        {
          message: {
            refusal: "I can't",
            tool_calls: [
              { id: 'c0', function: { name: 'f', arguments: '{"a":1}' } },
              { id: 'c1', function: { name: 'f', arguments: '{"b":2}' } },
            ],
            audio: { data: 'QUJDREVG' },
            annotations: [{ url: 'u' }, { url: 'v' }],
          },
          logprobs: { content: [{ token: 'a' }, { token: 'b' }] },
          finish_reason: null,
        },
      ],
    })
  })

  it('is what came, where it was cut off or holds what is no event', () => {
    expect(answerFrom('chat', ['nonsense', '[]', '{"choices":7}'])).toEqual({ object: 'chat.completion', choices: [] })
    expect(answerFrom('chat', ['{"choices":[{"delta":{"content":"a","__proto__":{"x":1}}}]}'])).toMatchObject({
      choices: [{ index: 0, message: { content: 'a' }, finish_reason: null }],
    })
  })
})

describe('a streamed message', () => {
  const usage = { input_tokens: 5, cache_read_input_tokens: 2, output_tokens: 1 }
  const start = { type: 'message_start', message: { id: 'm', type: 'message', role: 'assistant', content: [], usage } }
  const block = fc.oneof(
    fc.record({ type: fc.constant('text' as const), text: words }),
    fc.record({ type: fc.constant('thinking' as const), thinking: words, signature: words }),
    fc.record({
      type: fc.constant('tool_use' as const),
      id: words,
      name: words,
      input: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.integer()),
    }),
  )

  it('is the message that it was cut from', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 4 }), sizes, (content, cuts) => {
        const delta = (index: number, one: object) => ({ type: 'content_block_delta', index, delta: one })
        const events = content.flatMap((one, index) => {
          const begin = (empty: object) => ({ type: 'content_block_start', index, content_block: empty })
          if (one.type === 'text') {
            const deltas = pieces(one.text, cuts).map((text) => delta(index, { type: 'text_delta', text }))
            return [begin({ type: 'text', text: '' }), ...deltas]
          }
          if (one.type === 'thinking') {
            const deltas = pieces(one.thinking, cuts).map((thinking) =>
              delta(index, { type: 'thinking_delta', thinking }),
            )
            const signed = delta(index, { type: 'signature_delta', signature: one.signature })
            return [begin({ type: 'thinking', thinking: '', signature: '' }), ...deltas, signed]
          }
          const deltas = pieces(JSON.stringify(one.input), cuts).map((json) =>
            delta(index, { type: 'input_json_delta', partial_json: json }),
          )
          return [begin({ ...one, input: {} }), ...deltas, { type: 'content_block_stop', index }]
        })
        const end = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } }
        expect(
          answerFrom('messages', texts([start, ...events, { type: 'ping' }, end, { type: 'message_stop' }])),
        ).toEqual({
          id: 'm',
          type: 'message',
          role: 'assistant',
          content,
          stop_reason: 'end_turn',
          usage: { ...usage, output_tokens: 9 },
        })
      }),
    )
  })

  it('keeps the words of an input that was cut off', () => {
    const begin = { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', name: 'f', input: {} } }
    const delta = { type: 'input_json_delta', partial_json: '{"a":' }
    expect(
      answerFrom('messages', texts([start, begin, { type: 'content_block_delta', index: 0, delta }])),
    ).toMatchObject({
      content: [{ type: 'tool_use', name: 'f', input: '{"a":' }],
    })
  })
})

it.each(['constructor', 'toString', '__proto__'])('an event that is called %s is one that nobody knows', (type) => {
  const event = { type, output_index: 0, delta: 'x' }
  expect(answerFrom('responses', texts([event]))).toEqual({ object: 'response', output: [] })
  expect(answerFrom('messages', texts([event]))).toMatchObject({ content: [] })
})

describe('a streamed response', () => {
  const created = { type: 'response.created', response: { id: 'r', status: 'in_progress', output: [] } }
  const added = (item: object, index = 0) => ({ type: 'response.output_item.added', output_index: index, item })
  const delta = (kind: string, text: string, more: object = {}) => ({
    type: `response.${kind}.delta`,
    output_index: 0,
    content_index: 0,
    delta: text,
    ...more,
  })

  it('is what its last event says', () => {
    const response = { id: 'r', status: 'completed', output: [{ type: 'message', content: [] }] }
    const events = [
      created,
      added({ type: 'message' }),
      delta('output_text', 'x'),
      { type: 'response.completed', response },
    ]
    expect(answerFrom('responses', texts(events))).toEqual(response)
  })

  it('is put together from its pieces where that did not come', () => {
    const events = [
      created,
      added({ type: 'message', content: [] }),
      {
        type: 'response.content_part.added',
        output_index: 0,
        content_index: 0,
        part: { type: 'output_text', text: '' },
      },
      delta('output_text', 'Hel'),
      delta('output_text', 'lo'),
      added({ type: 'function_call', name: 'f', arguments: '' }, 1),
      delta('function_call_arguments', '{"a"', { output_index: 1 }),
      delta('output_text', '!', { content_index: 4_000_000_000 }),
    ]
    expect(answerFrom('responses', texts(events))).toEqual({
      id: 'r',
      status: 'in_progress',
      output: [
        { type: 'message', content: [{ type: 'output_text', text: 'Hello!' }] },
        { type: 'function_call', name: 'f', arguments: '{"a"' },
      ],
    })
  })
})

it('streamed images are those that were done, or the latest that was not', () => {
  const partial = { type: 'image_generation.partial_image', b64_json: 'AA', partial_image_index: 0 }
  const done = { type: 'image_generation.completed', b64_json: 'AB', usage: { total_tokens: 3 } }
  expect(answerFrom('images', texts([partial, done]))).toEqual({
    data: [{ b64_json: 'AB' }],
    usage: { total_tokens: 3 },
  })
  expect(answerFrom('images', texts([partial]))).toEqual({ data: [{ b64_json: 'AA' }] })
})

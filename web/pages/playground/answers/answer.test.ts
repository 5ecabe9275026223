import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { answerParts, beginAnswer, estimatedCost, withChunk, withCompletion } from './answer.ts'

const chunk = (delta: unknown, more: Record<string, unknown> = {}) => ({ choices: [{ index: 0, delta, ...more }] })
const after = (...chunks: unknown[]) =>
  chunks.reduce<ReturnType<typeof beginAnswer>>(
    (answer, one, at) => withChunk(answer, one, 10 * (at + 1)),
    beginAnswer('m'),
  )

describe('an answer that streams', () => {
  it('puts its pieces together, and knows when the first came and why the last was the last', () => {
    const usage = {
      prompt_tokens: 12,
      completion_tokens: 3,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 1 },
    }
    expect(
      after(
        chunk({ role: 'assistant', content: '' }),
        chunk({ reasoning_content: 'Hm.' }),
        chunk({ content: 'Hel' }),
        chunk({ content: 'lo' }),
        chunk({}, { finish_reason: 'stop' }),
        { choices: [], usage },
      ),
    ).toMatchObject({
      text: 'Hello',
      thought: 'Hm.',
      firstTokenMs: 20,
      finish: 'stop',
      tokens: { sent: 12, answered: 3, cached: 4, reasoned: 1 },
    })
  })

  it('puts the arguments of tools together', () => {
    const answer = after(
      chunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'find', arguments: '{"q"' } }] }),
      chunk({ tool_calls: [{ index: 1, id: 'b', function: { name: 'stop', arguments: 'not json' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
    )
    expect(answerParts(answer)).toEqual([
      { kind: 'call', id: 'a', name: 'find', arguments: { q: 1 } },
      { kind: 'call', id: 'b', name: 'stop', arguments: 'not json' },
    ])
  })

  it('says the same however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (pieces) => {
        expect(after(...pieces.map((content) => chunk({ content }))).text).toBe(pieces.join(''))
      }),
    )
  })

  it('takes anything for an event', () => {
    fc.assert(
      fc.property(fc.anything(), (event) => {
        expect(withChunk(beginAnswer('m'), event, 1).model).toBe('m')
      }),
    )
  })
})

it('an answer in one piece is read the same', () => {
  const message = { role: 'assistant', content: [{ type: 'text', text: 'Hi' }] }
  const completion = {
    choices: [{ message, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  }
  expect(withCompletion(beginAnswer('m'), completion, 5)).toMatchObject({
    text: 'Hi',
    finish: 'stop',
    firstTokenMs: 5,
    tokens: { sent: 1, answered: 1 },
  })
})

const price = { input: 1, output: 10, cached_input: 0.1 }
it.each([
  [{ sent: 1000, answered: 100 }, price, 0.002],
  [{ sent: 1000, answered: 100, cached: 1000 }, price, 0.0011],
  [undefined, price, null],
  [{ sent: 1, answered: 1 }, null, null],
])('the cost of %j at %j is %j', (tokens, of, usd) => {
  expect(estimatedCost(tokens, of)).toEqual(usd === null ? null : expect.closeTo(usd, 9))
})

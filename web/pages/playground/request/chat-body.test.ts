import { describe, expect, it } from 'vitest'
import type { Message } from '../../../parts/conversation/conversation.ts'
import { beginAnswer } from '../answers/answer.ts'
import { chatMessages } from '../draft/draft.ts'

const picture = { name: 'a.png', url: 'data:image/png;base64,AA==' }
const none = { system: '', earlier: [] as Message[], turns: [] }
const question = (text: string) => ({ text, pictures: [] })
const turn = (id: number, text: string, ...answers: string[]) => ({
  id,
  text,
  pictures: [],
  answers: answers.map((said) => ({ ...beginAnswer('m'), text: said })),
})
const earlier = (...messages: Message[]) => chatMessages({ ...none, earlier: messages }, question(''), 0)

describe('messages', () => {
  it('have the system prompt, each turn with what this model said, and the question', () => {
    const turns = [turn(1, 'one', 'A', 'B'), turn(2, 'two', 'C')]
    expect(chatMessages({ ...none, system: 'Be kind.', turns }, question('three'), 1)).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'B' },
      { role: 'user', content: 'two' },
      { role: 'assistant', content: 'C' },
      { role: 'user', content: 'three' },
    ])
  })

  it('show images before the text, and need none', () => {
    expect(chatMessages(none, { text: 'What?', pictures: [picture] }, 0)).toEqual([
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: picture.url } },
          { type: 'text', text: 'What?' },
        ],
      },
    ])
    expect(chatMessages(none, { text: ' ', pictures: [picture] }, 0)[0]?.content).toHaveLength(1)
  })

  it('leave out answers that did not come', () => {
    expect(chatMessages({ ...none, turns: [turn(1, 'one', '')] }, question('two'), 0).map(({ role }) => role)).toEqual([
      'user',
      'user',
    ])
  })
})

describe('what was said before', () => {
  it('keeps calls of tools and their results', () => {
    const call = { kind: 'call' as const, id: 'c1', name: 'find', arguments: { q: 1 } }
    const result = { kind: 'result' as const, id: 'c1', content: { found: 1 }, failed: false }
    expect(earlier({ role: 'assistant', parts: [call] }, { role: 'tool', parts: [result] })).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'find', arguments: '{"q":1}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: '{"found":1}' },
    ])
  })

  it('puts results before the text that came with them, as Anthropic writes them in one message', () => {
    const parts: Message['parts'] = [
      { kind: 'result', id: 't1', content: 'none', failed: true },
      { kind: 'text', text: 'Go on' },
    ]
    expect(earlier({ role: 'user', parts }).map(({ role, content }) => [role, content])).toEqual([
      ['tool', 'none'],
      ['user', 'Go on'],
    ])
  })

  it('drops thoughts, and keeps what it does not know', () => {
    const audio = { type: 'input_audio', input_audio: {} }
    const parts: Message['parts'] = [
      { kind: 'thought', text: 'Hm.' },
      { kind: 'other', value: audio },
    ]
    expect(earlier({ role: 'user', parts })).toEqual([{ role: 'user', content: [audio] }])
  })
})

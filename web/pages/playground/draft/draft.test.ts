import { describe, expect, it } from 'vitest'
import { conversationOf, type Message } from '../../../parts/conversation/conversation.ts'
import { beginAnswer } from '../answers/answer.ts'
import {
  changedDraft,
  chatMessages,
  type DraftChange,
  draftFrom,
  emptyDraft,
  hasQuestion,
  isAnswering,
  nextTurn,
} from './draft.ts'

const after = (...changes: DraftChange[]) => changes.reduce(changedDraft, emptyDraft)
const write = (text: string): DraftChange => ({ kind: 'set', part: { text } })
const ask = (turn: number, ...models: string[]): DraftChange => ({ kind: 'ask', turn, models })
const answer = (turn: number, column: number, text: string): DraftChange => ({
  kind: 'answer',
  turn,
  column,
  part: { text, state: 'done' },
})
const two = [write('one'), ask(1, 'a', 'b'), answer(1, 0, 'A'), write('two'), ask(2, 'a', 'b'), answer(2, 1, 'B')]

describe('a draft', () => {
  it('moves the question into a turn that each model answers', () => {
    const draft = after(...two)
    expect(draft.text).toBe('')
    expect(draft.turns.map(({ id, text, answers }) => [id, text, answers.map((one) => one.text)])).toEqual([
      [1, 'one', ['A', '']],
      [2, 'two', ['', 'B']],
    ])
    expect([isAnswering(draft), nextTurn(draft)]).toEqual([true, 3])
  })

  it('gives a question back to be written anew, without what came after it', () => {
    const draft = after(...two, { kind: 'edit', turn: 1 })
    expect([draft.text, draft.turns]).toEqual(['one', []])
  })

  it('asks again under a new number, so that late news of the old answers find no turn', () => {
    const draft = after(...two, { kind: 'again', turn: 1, as: 3, models: ['c'] }, answer(1, 0, 'late'))
    expect(draft.turns).toMatchObject([{ id: 3, text: 'one', answers: [{ model: 'c', text: '' }] }])
  })

  it('keeps all images, however many are being read at once, up to the most that are sent', () => {
    const show = (name: string): DraftChange => ({ kind: 'show', pictures: [{ name, url: 'data:' }] })
    const draft = after(show('a'), write('What?'), show('b'))
    expect([draft.text, draft.pictures.map(({ name }) => name)]).toEqual(['What?', ['a', 'b']])
    expect(after(...Array.from({ length: 9 }, (_, at) => show(`${at}`))).pictures).toHaveLength(8)
  })

  it('stays as it is where a turn is gone', () => {
    const draft = after(...two)
    expect(changedDraft(draft, { kind: 'edit', turn: 9 })).toBe(draft)
    expect(changedDraft(draft, { kind: 'again', turn: 9, as: 10, models: [] })).toBe(draft)
  })
})

it.each([
  [{}, false],
  [{ text: ' \n' }, false],
  [{ text: 'Hi' }, true],
  [{ pictures: [{ name: 'a.png', url: 'data:' }] }, true],
  [{ earlier: [{ role: 'tool', parts: [] }] }, true],
  [{ earlier: [{ role: 'assistant', parts: [] }] }, false],
])('a draft with %j has a question: %s', (part, has) => {
  expect(hasQuestion({ ...emptyDraft, ...part })).toBe(has)
})

const recorded = (request: Record<string, unknown>) =>
  draftFrom(
    conversationOf(
      { activity: 'litellm_chat', key: 'completion', inputs: {}, outputs: { response: {} } },
      { messages: [], ...request },
    )!,
  )
const ofStep = (inputs: Record<string, unknown>, outputs: Record<string, unknown> = {}) =>
  draftFrom(conversationOf({ activity: 'litellm_vision', key: 'look', inputs, outputs }, {})!)

describe('a draft from a step', () => {
  it('has its prompt to be changed, its images and its parameters, and not its answer', () => {
    const step = { model: 'm', system_prompt: 'Be kind.', prompt: 'What?', image_path: 'acme/a.png', temperature: 0.2 }
    expect(ofStep(step, { text: 'A jetty.' })).toMatchObject({
      system: 'Be kind.',
      earlier: [],
      text: 'What?',
      pictures: [{ url: 'acme/a.png' }],
      fields: { temperature: '0.2', maxTokens: '' },
    })
  })

  it('keeps what was said before the last question', () => {
    const messages = [
      { role: 'system', content: 'One.' },
      { role: 'developer', content: 'Two.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'Go on' },
    ]
    const draft = recorded({ messages })
    expect([draft.system, draft.text, draft.earlier.map(({ role }) => role)]).toEqual([
      'One.\n\nTwo.',
      'Go on',
      ['user', 'assistant'],
    ])
  })

  it('has no question where a tool had the last word', () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ]
    expect(recorded({ messages })).toMatchObject({ text: '', earlier: [{ role: 'user' }, { role: 'tool' }] })
  })

  it.each([
    [{ max_completion_tokens: 5 }, { maxTokens: '5' }],
    [{ stop_sequences: ['A', 'B'] }, { stop: 'A\nB' }],
    [{ stop: 'A' }, { stop: 'A' }],
    [
      { top_p: 0.1, seed: 7 },
      { topP: '0.1', seed: '7' },
    ],
    [{ response_format: { type: 'json_object' } }, { format: 'json_object' }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } } },
      { format: 'json_schema', schemaName: 'x', isStrict: false, schema: '{\n  "type": "object"\n}' },
    ],
    [
      { tools: [{ type: 'function' }], stream: true, user: 'me' },
      { more: '{\n  "tools": [\n    {\n      "type": "function"\n    }\n  ]\n}' },
    ],
  ])('takes %j as %j', (request, fields) => {
    expect(recorded(request).fields).toMatchObject(fields)
  })
})

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

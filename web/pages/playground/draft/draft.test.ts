import { describe, expect, it } from 'vitest'
import { changedDraft, type DraftChange, emptyDraft, hasQuestion, isAnswering, nextTurn } from './draft.ts'

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

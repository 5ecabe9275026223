import type { Message } from '../../../parts/conversation/conversation.ts'
import { beginAnswer, type PlaygroundAnswer } from '../answers/answer.ts'
import { noFields, type ParameterFields } from '../request/fields.ts'
import { mostPictures, type Picture } from './pictures.ts'

/** A question, and what each model answered. */
export interface AskedTurn {
  id: number
  text: string
  pictures: Picture[]
  answers: PlaygroundAnswer[]
}

/** Everything that somebody has written in the playground, and what came back. */
export interface PlaygroundDraft {
  system: string
  /** What was said before, in the run that this was opened from. */
  earlier: Message[]
  turns: AskedTurn[]
  /** The next question. */
  text: string
  pictures: Picture[]
  fields: ParameterFields
}

export const emptyDraft: PlaygroundDraft = {
  system: '',
  earlier: [],
  turns: [],
  text: '',
  pictures: [],
  fields: noFields,
}

export type DraftChange =
  | { kind: 'set'; part: Partial<PlaygroundDraft> }
  /** Images were read. They come in their own time, so each is added to what is there by then. */
  | { kind: 'show'; pictures: readonly Picture[] }
  /** The written question becomes a turn that the models answer. */
  | { kind: 'ask'; turn: number; models: readonly string[] }
  /** A turn is answered anew, under a new number; what came after it is gone. */
  | { kind: 'again'; turn: number; as: number; models: readonly string[] }
  /** The question of a turn is written anew; it and what came after it are gone. */
  | { kind: 'edit'; turn: number }
  | { kind: 'answer'; turn: number; column: number; part: Partial<PlaygroundAnswer> }

const upTo = ({ turns }: PlaygroundDraft, id: number): AskedTurn[] => turns.filter((turn) => turn.id < id)

/** Applies a change to a draft. */
export const changedDraft = (draft: PlaygroundDraft, change: DraftChange): PlaygroundDraft => {
  const { turns, text, pictures } = draft
  if (change.kind === 'set') return { ...draft, ...change.part }
  if (change.kind === 'show') return { ...draft, pictures: [...pictures, ...change.pictures].slice(0, mostPictures) }
  const { turn: id } = change
  const turn = turns.find((one) => one.id === id)
  switch (change.kind) {
    case 'ask': {
      const asked = { id, text, pictures, answers: change.models.map(beginAnswer) }
      return { ...draft, turns: [...turns, asked], text: '', pictures: [] }
    }
    case 'again':
      return turn
        ? { ...draft, turns: [...upTo(draft, id), { ...turn, id: change.as, answers: change.models.map(beginAnswer) }] }
        : draft
    case 'edit':
      return turn ? { ...draft, turns: upTo(draft, id), text: turn.text, pictures: turn.pictures } : draft
    default:
      return { ...draft, turns: turns.map((one) => (one.id === id ? withAnswer(one, change) : one)) }
  }
}

const withAnswer = (turn: AskedTurn, { column, part }: Extract<DraftChange, { kind: 'answer' }>): AskedTurn => ({
  ...turn,
  answers: turn.answers.map((answer, at) => (at === column ? { ...answer, ...part } : answer)),
})

/** Whether there is something to send: a question, or a conversation whose last word is not the model's. */
export const hasQuestion = ({ text, pictures, turns, earlier }: PlaygroundDraft): boolean =>
  text.trim() !== '' ||
  pictures.length > 0 ||
  (turns.length === 0 && earlier.length > 0 && earlier.at(-1)?.role !== 'assistant')

/** Whether any model is still answering. */
export const isAnswering = ({ turns }: PlaygroundDraft): boolean =>
  turns.some(({ answers }) => answers.some(({ state }) => state === 'streaming'))

/** The number of the next turn. */
export const nextTurn = ({ turns }: PlaygroundDraft): number => (turns.at(-1)?.id ?? 0) + 1

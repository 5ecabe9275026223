import { describe, expect, it } from 'vitest'
import type { Question } from './question.ts'
import { readVerdict } from './read-verdict.ts'

const scale: Question = { type: 'scale', min: 1, max: 5 }
const ten: Question = { type: 'scale', min: 1, max: 10 }
const unit: Question = { type: 'scale', min: 0, max: 1 }
const percent: Question = { type: 'scale', min: 0, max: 100 }
const signed: Question = { type: 'scale', min: -5, max: 5 }
const labels: Question = { type: 'categorical', categories: ['excellent', 'good', 'not good', 'poor'] }
const places: Question = { type: 'categorical', categories: ['first_better', 'second_better', 'tie'] }
const letters: Question = { type: 'categorical', categories: ['A', 'B', 'C'] }
const digits: Question = { type: 'categorical', categories: ['1', '2', '3', '4', '5'] }
const binary: Question = { type: 'binary' }

/** What an answer must give: a score or label, how it was read, a warning; or the reason why it gives none. */
type Expected =
  | {
      gives: number | string
      as: 'json' | 'repaired_json' | 'text'
      from?: string
      warns?: RegExp
      says?: string | null
    }
  | { fails: RegExp }

const cases: [name: string, raw: string, question: Question, expected: Expected][] = [
  // JSON, as asked for and less so.
  [
    'plain JSON',
    '{"score": 4, "explanation": "Clear."}',
    scale,
    { gives: 4, as: 'json', from: 'score', says: 'Clear.' },
  ],
  ['a JSON fence', '```json\n{"explanation": "Fine", "score": 3}\n```', scale, { gives: 3, as: 'json', says: 'Fine' }],
  [
    'prose around it',
    'Sure! Here it is:\n{"score": 2}\nHope that helps 5.',
    scale,
    { gives: 2, as: 'json', says: null },
  ],
  [
    'an instruction with a format of its own',
    '{"score":1,"explanation":"x","dimensions":{"empathy":5},"violation":true}',
    scale,
    { gives: 1, as: 'json' },
  ],
  ['a decimal', '{"score": 3.5}', scale, { gives: 3.5, as: 'json' }],
  ['a number in quotes', '{"score": "4"}', scale, { gives: 4, as: 'json' }],
  ['n of max in quotes', '{"score": "4/5"}', scale, { gives: 4, as: 'json' }],
  ['another scale in quotes', '{"score": "8/10"}', scale, { fails: /score: '8\/10' is on another scale than 1 to 5/ }],
  [
    'another name for the score',
    '{"Rating": 5, "Reasoning": "Good"}',
    scale,
    { gives: 5, as: 'json', from: 'Rating', says: 'Good' },
  ],
  ['one object around it', '{"evaluation": {"score": 4}}', scale, { gives: 4, as: 'json' }],
  [
    'several parts but no score',
    '{"clarity": {"score": 2}, "depth": {"score": 5}}',
    scale,
    { fails: /its JSON has no 'score'/ },
  ],
  ['numbers that are not the score', '{"clarity": 2, "explanation": "3 faults"}', scale, { fails: /no 'score'/ }],
  [
    'two objects that disagree',
    '{"score": 2}\n\nOn reflection:\n{"score": 4}',
    scale,
    { gives: 2, as: 'json', warns: /contradictory JSON objects; the first/ },
  ],
  ['two objects, one without a score', '{"plan": "read it"}\n{"score": 4}', scale, { gives: 4, as: 'json' }],
  [
    'the format repeated before the answer',
    'As {score: <1-5>, explanation: <why>}:\n{"score": 4}',
    scale,
    { gives: 4, as: 'json' },
  ],
  ['thoughts before it', '<think>{"score": 1}? No, 2.</think>{"score": 5}', scale, { gives: 5, as: 'json' }],
  ['nothing but thoughts', '<think>Score: 4</think>\n', scale, { fails: /it is empty/ }],
  ['a Python dict', "{'score': 4, 'explanation': 'Clear',}", scale, { gives: 4, as: 'repaired_json', says: 'Clear' }],
  [
    'quotes inside quotes',
    '{"score": 4, "explanation": "He says "no" twice"}',
    scale,
    { gives: 4, as: 'repaired_json' },
  ],
  [
    'cut off in the explanation',
    '```json\n{"score": 4, "explanation": "It is cl',
    scale,
    { gives: 4, as: 'repaired_json' },
  ],
  ['cut off in the score', '{"explanation": "x", "score": 1', ten, { fails: /cannot be read, and not be repaired/ }],
  ['out of range', '{"score": 7}', scale, { gives: 5, as: 'json', warns: /says 7, outside of 1 to 5; 5 is taken/ }],
  ['below the range', '{"score": -2}', scale, { gives: 1, as: 'json', warns: /says -2/ }],
  ['no score at all', '{"score": null, "explanation": "I cannot tell."}', scale, { fails: /no 'score'/ }],
  ['a word for a score, in JSON', '{"score": "four"}', scale, { fails: /score: 'four' is not a number/ }],
  [
    'a score in JSON that cannot be read, and numbers around it',
    '{"score": "8/10"}\nIt has 4 parts.',
    scale,
    { fails: /another scale/ },
  ],
  ['JSON of something else before the score', '{"clarity": 2}\nScore: 4', scale, { gives: 4, as: 'text' }],
  ['larger than any number', '{"score": 1e999}', scale, { fails: /is not a number/ }],
  // Prose.
  ['a number alone', ' 4\n', scale, { gives: 4, as: 'text', from: '4', says: null }],
  ['a sentence', 'I would give it a 4 out of 5.', scale, { gives: 4, as: 'text', says: null }],
  ['the scale before the score', 'On a scale of 1 to 5, this is a 4.', scale, { gives: 4, as: 'text' }],
  ['the maximum before the score', 'Out of 5 it gets 3', scale, { gives: 3, as: 'text' }],
  [
    'a named score after other numbers',
    '2 typos, 3 long sentences.\n**Score:** 4',
    scale,
    { gives: 4, as: 'text', from: '**Score:** 4' },
  ],
  ['parts and a whole', 'Clarity score: 3\nDepth score: 5\nOverall score: 4/5', scale, { gives: 4, as: 'text' }],
  ['a list', '1. Clear.\n2. Correct.\nSo it is a 5.', scale, { gives: 5, as: 'text' }],
  ['names with numbers', 'GPT-4 wrote this; 3rd draft, v1.2.3. A 5.', scale, { gives: 5, as: 'text' }],
  ['out of range, in prose', 'Score: 9', scale, { gives: 5, as: 'text', warns: /says 9/ }],
  ['another scale, in prose', 'I rate it 8/10.', scale, { fails: /'8\/10' is on another scale/ }],
  ['per cent of another scale', 'About 80 %', scale, { fails: /'80 %' is on another scale/ }],
  ['per cent where the scale has 100', 'About 80 %', percent, { gives: 80, as: 'text' }],
  ['undecided', 'Somewhere in 3-4.', scale, { fails: /no number/ }],
  ['a score in words', 'I would give this four out of five.', scale, { fails: /it has no number/ }],
  ['a refusal', "I'm sorry, I can't judge this.", scale, { fails: /no number/ }],
  ['nothing', '', scale, { fails: /it is empty/ }],
  ['a negative scale', 'Score: -3', signed, { gives: -3, as: 'text' }],
  ['from nought to one', 'Probability: .85', unit, { gives: 0.85, as: 'text' }],
  ['German', 'Die Bewertung lautet 3,5 von 5 Punkten.', scale, { gives: 3.5, as: 'text' }],
  ['French', 'Note : 4/5, le texte est clair.', scale, { gives: 4, as: 'text' }],
  ['Chinese', '评分:4分。内容清晰。', scale, { gives: 4, as: 'text', from: '评分:4' }],
  ['Japanese, wide digits', '評価は\uff14点です。', scale, { gives: 4, as: 'text' }],
  ['Arabic digits', 'التقييم: ٤', scale, { gives: 4, as: 'text' }],
  // Labels.
  ['a label', '{"label": "good", "explanation": "Solid."}', labels, { gives: 'good', as: 'json', says: 'Solid.' }],
  ['a label in another spelling', '{"category": "Not-Good."}', labels, { gives: 'not good', as: 'json' }],
  ['a label that is none', '{"label": "superb"}', labels, { fails: /label: 'superb' is none of excellent, good/ }],
  ['a final score', '{"style": 2, "final_score": 4}', scale, { gives: 4, as: 'json', from: 'final_score' }],
  ['a label under the name score', '{"score": 4}', digits, { gives: '4', as: 'json' }],
  ['a label alone', 'Excellent.', labels, { gives: 'excellent', as: 'text' }],
  ['the longer label', 'This is not good at all.', labels, { gives: 'not good', as: 'text' }],
  ['a label that is denied', "It isn't really excellent.", labels, { fails: /denies 'excellent'/ }],
  ['two labels', 'Between good and poor.', labels, { fails: /names several/ }],
  ['two labels, one called the verdict', 'Some say poor. Verdict: **good**', labels, { gives: 'good', as: 'text' }],
  ['a place', '{"winner": "second better"}', places, { gives: 'second_better', as: 'json' }],
  ['a place in prose', 'The first better explains it.', places, { gives: 'first_better', as: 'text' }],
  ['a letter', 'Grade: A', letters, { gives: 'A', as: 'text' }],
  ['a letter called the option', 'Option A is better than option B.', letters, { gives: 'A', as: 'text' }],
  ['no letter, but an article', 'A fine text.', letters, { fails: /names none of A, B, C/ }],
  ['a numbered label in prose', 'I would say 4 out of 5.', digits, { gives: '4', as: 'text' }],
  ['a number between the labels', 'Say 3.5', digits, { fails: /'Say 3.5' is no label/ }],
  ['a letter beside an article', 'A text like this deserves a B.', letters, { gives: 'B', as: 'text' }],
  ['yes', '{"label": "yes"}', binary, { gives: 'yes', as: 'json' }],
  ['false', '{"answer": false, "reason": "No cat."}', binary, { gives: 'no', as: 'json', says: 'No cat.' }],
  ['yes and why', '**Yes**, there is no doubt.', binary, { gives: 'yes', as: 'text' }],
  ['no somewhere', 'There is no doubt.', binary, { fails: /names none of yes, no/ }],
  ['half', '{"score": 0.5}', binary, { fails: /'0.5' is none of yes, no/ }],
]

describe('a raw answer', () => {
  it.each(cases)('%s', (_, raw, question, expected) => {
    const reading = readVerdict(raw, question)
    if ('fails' in expected) {
      expect(reading).toEqual({ problem: expect.stringMatching(expected.fails) })
      return
    }
    if ('problem' in reading) throw new Error(reading.problem)
    const { verdict } = reading
    expect([question.type === 'scale' ? verdict.score : verdict.label, verdict.read_as]).toEqual([
      expected.gives,
      expected.as,
    ])
    if (expected.from !== undefined) expect(verdict.read_from).toBe(expected.from)
    if (expected.says !== undefined) expect(verdict.explanation).toBe(expected.says)
    expect(verdict.warnings).toEqual(expected.warns ? [expect.stringMatching(expected.warns)] : [])
  })

  it('gives a score to yes and no, and none to a category', () => {
    const scoreOf = (raw: string, question: Question) => {
      const reading = readVerdict(raw, question)
      return 'verdict' in reading ? reading.verdict.score : undefined
    }
    expect([scoreOf('yes', binary), scoreOf('no', binary), scoreOf('4', digits)]).toEqual([1, 0, null])
  })
})

describe('dimensions', () => {
  const read = (raw: string, question: Question, names = ['tone', 'Next step']) => {
    const reading = readVerdict(raw, question, names)
    return 'problem' in reading ? reading.problem : { ...reading.verdict.dimensions, all: reading.verdict.score }
  }

  it('are read together with the whole, each by the rules of its kind', () => {
    expect(read('{"score": 2, "dimensions": {"tone": "4/5", "next_step": {"score": 1}}}', scale)).toEqual({
      tone: 4,
      'Next step': 1,
      all: 2,
    })
    expect(read('{"tone": 4, "Next step": 1}', scale)).toEqual({ tone: 4, 'Next step': 1, all: 2.5 })
    expect(read('{"label": "good", "dimensions": {"tone": "poor", "next step": "Good"}}', labels)).toEqual({
      tone: 'poor',
      'Next step': 'good',
      all: null,
    })
  })

  it('must all be there, and in JSON', () => {
    expect(read('{"score": 2, "dimensions": {"tone": 4}}', scale)).toBe("it says nothing of 'Next step'")
    expect(read('{"score": 2, "dimensions": {"tone": 4, "next step": "fair"}}', scale)).toBe(
      "Next step: 'fair' is not a number",
    )
    expect(read('{"score": "8/10", "tone": 4, "next step": 1}', scale)).toMatch(/another scale/)
    expect(read('Score: 4', scale)).toBe('it has no JSON object with the dimensions')
    expect(read('{"tone": "poor", "next step": "good"}', labels)).toBe("its JSON has no 'label'")
  })

  it('keep names that objects have by themselves', () => {
    const reading = readVerdict('{"score": 1, "dimensions": {"__proto__": 3}}', scale, ['__proto__'])
    expect('verdict' in reading && Object.entries(reading.verdict.dimensions ?? {})).toEqual([['__proto__', 3]])
  })
})

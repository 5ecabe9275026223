import { expect, test } from 'vitest'
import { distinctTexts, inOrder, spanOfRuns, stretchesOfRun } from './runs-of-step.tsx'

const start = Date.parse('2026-11-28T12:00:00Z')
const at = (seconds: number) => new Date(start + seconds * 1000).toISOString()
const run = (
  name: string,
  status: 'failed' | 'completed' | 'running' | 'pending',
  begun: number | null,
  end: number | null,
) => ({
  name,
  status,
  created: at(0),
  started: begun === null ? null : at(begun),
  ended: end === null ? null : at(end),
})
const now = start + 10_000
const runs = [
  run('newest', 'completed', 1, 2),
  run('slow', 'completed', 1, 9),
  run('bad', 'failed', 1, 3),
  run('open', 'running', 4, null),
]

test.each([
  ['newest', ['newest', 'slow', 'bad', 'open']],
  ['slowest', ['slow', 'open', 'bad', 'newest']],
  ['failed', ['bad', 'open', 'slow', 'newest']],
] as const)('%s first', (order, names) => {
  expect(inOrder(runs, order, now).map(({ name }) => name)).toEqual(names)
})

test('a run waits, then works; one without a turn only waits', () => {
  expect(stretchesOfRun(run('a', 'completed', 1, 3), now)).toEqual([
    { kind: 'wait', from: start, to: start + 1_000 },
    { kind: 'execute', from: start + 1_000, to: start + 3_000 },
  ])
  expect(stretchesOfRun(run('a', 'pending', null, null), now)).toEqual([{ kind: 'wait', from: start, to: now }])
})

test('the span of runs ends with the last one, or now', () => {
  expect(spanOfRuns(runs.slice(0, 3), now)).toEqual({ from: start, to: start + 9_000 })
  expect(spanOfRuns(runs, now)).toEqual({ from: start, to: now })
  expect(spanOfRuns([], now)).toEqual({ from: now, to: now })
})

test('runs are told apart by what not all of them have', () => {
  const child = (id: string, preview: string | null, label?: string) => ({
    trajectory_id: id,
    input_preview: preview,
    labels: label === undefined ? [] : [{ key: 'quality', value: label, author: 'a', created: '' }],
  })
  const texts = (...children: ReturnType<typeof child>[]) => [...distinctTexts(children as never).values()]
  expect(texts(child('1', 'language: en · name: a'), child('2', 'language: en · name: b', 'low'))).toEqual([
    'name: a',
    'name: b · quality: low',
  ])
  expect(texts(child('1', 'name: a'))).toEqual(['name: a'])
  expect(texts(child('1', null), child('2', 'same'), child('3', 'same'))).toEqual(['', 'same', 'same'])
})

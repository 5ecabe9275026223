import { expect, it, test } from 'vitest'
import { runOf, step } from '../test-steps.ts'
import { boxHeight, boxWidth, layoutOf, linePath, nextBox } from './layout.ts'
import { runGraph } from './run-graph.ts'

it('puts boxes below what they read, none over another', () => {
  const run = runOf([step('a', 0, 50), step('b', 10, 60), step('c', 70, 80, { depends_on: ['a', 'b'] })])
  const graph = runGraph(run, undefined)
  const { boxes, edges, width, height } = layoutOf(graph)
  const place = (id: string) => boxes.get(id)!
  expect(place('c').y).toBeGreaterThanOrEqual(place('a').y + boxHeight)
  expect(Math.abs(place('a').x - place('b').x)).toBeGreaterThanOrEqual(boxWidth)
  expect(edges.map((points) => points.length > 1)).toEqual([true, true])
  expect(Math.max(...[...boxes.values()].map(({ x }) => x + boxWidth))).toBeLessThanOrEqual(width)
  expect(place('c').y + boxHeight).toBeLessThanOrEqual(height)
})

it.each([
  [[], ''],
  [
    [
      { x: 0, y: 0 },
      { x: 1, y: 2 },
    ],
    'M0 0L1 2',
  ],
  [
    [
      { x: 0, y: 0 },
      { x: 4, y: 2 },
      { x: 8, y: 4 },
    ],
    'M0 0Q4 2 8 4',
  ],
])('the line through %j is %s', (points, path) => {
  expect(linePath(points)).toBe(path)
})

test.each([
  ['a', 'ArrowDown', 'b'],
  ['b', 'ArrowRight', 'c'],
  ['c', 'ArrowUp', 'a'],
  ['a', 'ArrowUp', undefined],
  ['a', 'Enter', undefined],
  ['none', 'ArrowDown', undefined],
])('from %s, %s goes to %s', (from, key, to) => {
  const boxes = new Map([
    ['a', { x: 0, y: 0 }],
    ['b', { x: -20, y: 80 }],
    ['c', { x: 200, y: 80 }],
  ])
  expect(nextBox(boxes, from, key)).toBe(to)
})

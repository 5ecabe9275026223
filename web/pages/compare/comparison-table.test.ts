import { expect, it } from 'vitest'
import type { RunDifference, StepDifference } from '../../../src/model/runs/run-difference.ts'
import { cellText, changeText, pathSegments, pictureIn, stepRows, valueAtPath } from './comparison-table.tsx'

const side = { trajectory_id: '1', task: 't', workflow_id: 'w', url: '' }
const value = (paths: string[], other = {}) => ({
  left: {},
  right: {},
  paths,
  more_paths: false,
  clipped: false,
  ...other,
})
const of = (step: string, more: Partial<StepDifference> = {}): StepDifference => ({
  step,
  in: 'both',
  same: true,
  ...more,
})
const differs = (step: string, more: Partial<StepDifference> = {}) => of(step, { same: false, ...more })
const difference = (...steps: StepDifference[]): RunDifference => ({
  left: side,
  right: side,
  same: false,
  run: {},
  steps,
  total_steps: steps.length,
  different_steps: 0,
})

it('lays runs side by side by step', () => {
  const rows = stepRows([
    difference(of('a'), differs('b'), of('only-base', { in: 'left', same: false }), of('c')),
    difference(of('a'), of('new', { in: 'right', same: false }), of('b'), of('only-base'), of('c')),
  ])
  expect(rows.map(({ step, cells, isSame }) => [step, cells.map(({ kind }) => kind).join(), isSame])).toEqual([
    ['a', 'same,same', true],
    ['new', 'missing,added', false],
    ['b', 'differs,same', false],
    ['only-base', 'missing,same', false],
    ['c', 'same,same', true],
  ])
})

it('waits for a comparison that is not there yet', () => {
  expect(stepRows([undefined, difference(of('a'))]).map(({ step }) => step)).toEqual(['a'])
})

it.each([
  [2, 1, '−50 %'],
  [1, 1.25, '+25 %'],
  [1, 1.001, undefined],
  [0, 1, undefined],
  [null, 1, undefined],
])('from %s to %s is %s', (from, to, text) => {
  expect(changeText(from, to)).toBe(text)
})

it.each([
  [differs('a', { outputs: value(['text']) }), 'output.text'],
  [differs('a', { outputs: value(['a', 'b']), inputs: value(['x']) }), 'output (2 places) · input.x'],
  [differs('a', { outputs: value([], { clipped: true, more_paths: true }) }), 'output'],
  [differs('a', { status: { left: 'completed', right: 'failed' } }), 'failed, not completed'],
])('says what differs in %j', (one, text) => {
  expect(cellText({ kind: 'differs', difference: one })).toBe(text)
})

it.each([
  ['a.b[1].c', ['a', 'b', 1, 'c']],
  ["['two words']", ['two words']],
  ["a['it's'].b", ['a', "it's", 'b']],
  ['', []],
])('the path %s has the parts %j', (path, parts) => {
  expect(pathSegments(path)).toEqual(parts)
})

it('finds the value at a path', () => {
  const given = { a: [{ 'two words': 1 }] }
  expect(valueAtPath(given, "a[0]['two words']")).toBe(1)
  expect(valueAtPath(given, 'a[7].b')).toBeUndefined()
  expect(valueAtPath(given, 'constructor.name')).toBeUndefined()
})

it.each([
  [{ images: [{ path: 'acme/t/0000/a.png' }] }, 'acme/t/0000/a.png'],
  ['https://evil.example/a.png', undefined],
  [{ a: 1 }, undefined],
])('the picture in %j is %s', (given, path) => {
  expect(pictureIn(given)).toBe(path)
})

import { expect, it } from 'vitest'
import { readRunName, runsOfAddress } from './run-names.ts'

const near = { collection: 'acme', task: 't', id: '1' }

it.each([
  ['acme/t/2', undefined, { collection: 'acme', task: 't', id: '2' }],
  ['http://localhost:7070/acme/t/2?step=a', undefined, { collection: 'acme', task: 't', id: '2' }],
  [' 2 ', near, { collection: 'acme', task: 't', id: '2' }],
  ['u/2', near, { collection: 'acme', task: 'u', id: '2' }],
  ['2', undefined, undefined],
  ['a/b/c/d', near, undefined],
  ['<script>', near, undefined],
  ['', near, undefined],
])('%j near %j is %j', (text, other, place) => {
  expect(readRunName(text, other)).toEqual(place)
})

it('takes each run once, and at most eight', () => {
  const names = ['acme/t/1', 'acme/t/1', 'nonsense', ...Array.from({ length: 20 }, (_, at) => `acme/t/x${at}`)]
  expect(runsOfAddress(names).map(({ id }) => id)).toEqual(['1', 'x0', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6'])
})

import { expect, test } from 'vitest'
import { readTaskTab, taskSearch } from './tabs.ts'

test.each([
  [undefined, 'runs'],
  ['definition', 'definition'],
  ['nothing', 'runs'],
  [['run', 'stats'], 'runs'],
])('the tab %j is %s', (value, tab) => {
  expect(readTaskTab(value)).toBe(tab)
})

test.each([
  [{}, {}],
  [{ tab: 'runs', version: '3' }, {}],
  [
    { tab: 'versions', version: '3', routine: 'x' },
    { tab: 'versions', version: 3 },
  ],
  [{ tab: 'versions', version: 'x' }, { tab: 'versions' }],
  [
    { tab: 'batches', batch: '3a87272f', routine: 'x' },
    { tab: 'batches', batch: '3a87272f' },
  ],
  [
    { tab: 'definition', mends: '3a87272f', from: 'say' },
    { tab: 'definition', mends: '3a87272f', from: 'say' },
  ],
  [{ tab: 'run', mends: '3a87272f', from: 'say' }, { tab: 'run' }],
  [
    { tab: 'routines', routine: 'nightly' },
    { tab: 'routines', routine: 'nightly' },
  ],
  [
    { tab: 'hooks', hook: 'push', routine: 'nightly' },
    { tab: 'hooks', hook: 'push' },
  ],
])('%j is read as %j', (search, read) => {
  expect(taskSearch(search)).toEqual(read)
})

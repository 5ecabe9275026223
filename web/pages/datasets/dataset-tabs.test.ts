import { expect, test } from 'vitest'
import { datasetSearch } from './dataset-tabs.ts'

test.each([
  [{}, {}],
  [{ tab: 'items', item: 'a' }, { item: 'a' }],
  [
    { tab: 'results', task: 'classify', state: 'stale', page: '7' },
    { tab: 'results', task: 'classify', state: 'stale' },
  ],
  [{ tab: 'nothing', split: '' }, {}],
])('%j is read as %j', (search, read) => {
  expect(datasetSearch(search)).toEqual(read)
})

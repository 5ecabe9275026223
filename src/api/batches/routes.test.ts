import { parse } from 'csv-parse/sync'
import { expect, it } from 'vitest'
import type { BatchResult } from '../../model/runs/batch.ts'
import { columnsOf, makeTableRow, tableHead } from './routes.ts'

const result = (index: number, more: Partial<BatchResult>): BatchResult => ({
  index,
  item_id: `q${index}`,
  dataset_version: 3,
  trajectory_id: `0000000${index}`,
  status: 'completed',
  error: null,
  init_params: {},
  outputs: {},
  cost_usd: null,
  duration_seconds: 0.5,
  ...more,
})

const tableOf = async (results: BatchResult[], total = results.length, sample = results) => {
  const columns = await columnsOf(
    (async function* () {
      yield* sample
    })(),
    total,
  )
  return tableHead(columns) + results.map(makeTableRow(columns)).join('')
}

it('has a column for each member, in the order met, and an empty cell where it is missing', async () => {
  const table = await tableOf([
    result(0, { init_params: { text: '=1+1', n: -5 }, outputs: { text: 'a,"b"', list: [1, { a: 2 }] } }),
    result(1, {
      status: 'failed',
      error: "Step 'x' failed: no",
      init_params: { text: 'y' },
      outputs: null,
      cost_usd: 0.25,
    }),
    result(2, { init_params: { ['__proto__']: 'p' }, outputs: { late: true } }),
  ])
  const fixed = [
    'index',
    'item_id',
    'dataset_version',
    'trajectory_id',
    'status',
    'error',
    'cost_usd',
    'duration_seconds',
  ]
  expect(parse(table)).toEqual([
    [
      ...fixed,
      'init_params.text',
      'init_params.n',
      'init_params.__proto__',
      'outputs.text',
      'outputs.list',
      'outputs.late',
    ],
    ['0', 'q0', '3', '00000000', 'completed', '', '', '0.5', "'=1+1", '-5', '', 'a,"b"', '[1,{"a":2}]', ''],
    ['1', 'q1', '3', '00000001', 'failed', "Step 'x' failed: no", '0.25', '0.5', 'y', '', '', '', '', ''],
    ['2', 'q2', '3', '00000002', 'completed', '', '', '0.5', '', '', 'p', '', '', 'true'],
  ])
})

it('has a last column for what the first results did not have, where there are more of them', async () => {
  const [first, second] = [
    result(0, { init_params: { a: 1 } }),
    result(1, { init_params: { b: 2 }, outputs: { c: [3] } }),
  ]
  const table = await tableOf([first, second], 1001, [first])
  expect(parse(table).map((row: string[]) => row.slice(8))).toEqual([
    ['init_params.a', 'rest'],
    ['1', ''],
    ['', '{"init_params":{"b":2},"outputs":{"c":[3]}}'],
  ])
})

it('has no more columns than a spreadsheet can show', async () => {
  const many = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`m${at}`, at]))
  const [head, row] = parse(await tableOf([result(0, { outputs: many })])) as [string[], string[]]
  expect([head.length, head.at(-1)]).toEqual([8 + 500 + 1, 'rest'])
  expect(Object.keys(JSON.parse(row.at(-1) ?? '').outputs)).toHaveLength(100)
})

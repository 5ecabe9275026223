import { expect, test } from 'vitest'
import { listParameters } from './list-parameters.ts'
import { readRunbook } from './runbook.ts'
import { runbookTemplate } from './templates.ts'

const withRows = (...rows: string[]) =>
  `# Tour\n\n## Parameters\n\n| Parameter | Template Variable | Default | Description |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n\nWalk through {{garden}} with {{results_dir}}.\n`
const listed = (text: string) =>
  listParameters(readRunbook(text)).map(({ name, default: value, required }) => [name, value, required])

test.each([
  ['a default', '| Garden | `{{garden}}` | `Kew` | where |', [['garden', 'Kew', false]]],
  ['required', '| Garden | `{{garden}}` | *(required)* | where |', [['garden', null, true]]],
  ['used, and nothing said', '| Garden | `{{garden}}` |  | where |', [['garden', null, true]]],
  [
    'may be left out',
    '| Guide | `{{guide}}` | *(optional)* | who |',
    [
      ['guide', '', false],
      ['garden', null, false],
    ],
  ],
  ['the results folder', '| Results | `{{results_dir}}` | `/app/results` | |', [['garden', null, false]]],
] as const)('%s', (_, row, parameters) => {
  expect(listed(withRows(row))).toEqual(parameters)
})

test('each name once, with its description', () => {
  const text = withRows(
    '| Garden | `{{garden}}` | `Kew` | Where to go |',
    '| Garden | `{{garden}}` | `Wisley` | Again |',
  )
  expect(listParameters(readRunbook(text))).toEqual([
    { name: 'garden', description: 'Where to go', default: 'Kew', required: false },
  ])
})

test('the template has one parameter', () => {
  expect(listed(runbookTemplate('Floods', 'rubric'))).toEqual([['subject', null, true]])
})

import { expect, test } from 'vitest'
import { unfilledOf, variablesOf } from '../variables.ts'
import { listParameters, readRunbook } from './runbook.ts'
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

test.each(['Yes unless `{{page}}` is provided', 'Required if neither page nor text is given'])(
  'one of two: %s',
  (says) => {
    const text = withRows(
      `| Url | \`{{url}}\` | | *(required)* ${says} |`,
      '| Page | `{{page}}` | | *(required)* Yes unless `url` is set |',
    )
    expect(listed(text).slice(0, 2)).toEqual([
      ['url', null, false],
      ['page', null, false],
    ])
    const given = (values: object) => {
      const runbook = readRunbook(text)
      return unfilledOf(runbook, variablesOf(runbook, { garden: 'Kew', ...values }, '/results')).missing
    }
    expect(given({ page: 'x' })).toEqual([])
    expect(given({ url: 'x' })).toEqual([])
    expect(given({})).toEqual(['url', 'page'])
    expect(given({ page: '' })).toEqual(['url'])
  },
)

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

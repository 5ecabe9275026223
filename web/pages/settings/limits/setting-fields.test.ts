import { expect, test } from 'vitest'
import { shownSettings } from '../../../../src/model/collections/collection-settings.ts'
import { changeOfEntries, entryFault, entryOfSetting, type SettingField, type SettingKind } from './setting-fields.ts'

const field = (name: string, kind: SettingKind): SettingField => ({ name, kind, label: name, hint: '', empty: '' })
const fields = [
  field('budget.usd_per_day', 'number'),
  field('budget.tokens_per_day', 'whole'),
  field('retention_days', 'whole'),
  field('record_calls', 'switch'),
  field('allowed_hosts', 'lines'),
]
const settings = shownSettings({
  budget: { usd_per_day: 12.5 },
  record_calls: false,
  allowed_hosts: ['api.example.com', '*.acme.dev'],
})

test('entries show the values', () => {
  expect(fields.map((one) => entryOfSetting(settings, one))).toEqual([
    '12.5',
    '',
    '',
    'false',
    'api.example.com\n*.acme.dev',
  ])
  expect(entryOfSetting(shownSettings({ allowed_hosts: [] }), fields[4] as SettingField)).toBe('(none)')
})

test('only what differs is changed', () => {
  const unchanged = Object.fromEntries(fields.map((one) => [one.name, entryOfSetting(settings, one)]))
  expect(changeOfEntries(settings, fields, unchanged)).toEqual({})
  expect(
    changeOfEntries(settings, fields, {
      ...unchanged,
      'budget.usd_per_day': '',
      'budget.tokens_per_day': ' 1000 ',
      record_calls: '',
      allowed_hosts: 'one.example.com, two.example.com\n',
    }),
  ).toEqual({
    budget: { usd_per_day: null, tokens_per_day: 1000 },
    record_calls: null,
    allowed_hosts: ['one.example.com', 'two.example.com'],
  })
  expect(changeOfEntries(settings, fields, { allowed_hosts: '(none)' })).toEqual({ allowed_hosts: [] })
})

test.each([
  ['number', '0', false],
  ['number', '0.01', true],
  ['number', 'Infinity', false],
  ['number', 'ten', false],
  ['number', '', true],
  ['whole', '1.5', false],
  ['whole', '0', false],
  ['whole', '30', true],
  ['lines', 'anything', true],
] as const)('%s %j', (kind, entry, isFine) => {
  expect(entryFault(field('x', kind), entry) === undefined).toBe(isFine)
})

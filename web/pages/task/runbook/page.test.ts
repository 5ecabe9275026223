import { expect, test } from 'vitest'
import { parameterFields, runbookTextOf, setMember, workflowWith } from './page.tsx'
import { runbookPlaces } from './runbook-places.ts'

test.each([
  ['{"a":1,"b":2}', ['a'], '"x"', '{"a":"x","b":2}'],
  [
    '{"a":12345678901234567890,"b":{"c":[1,{"b":2}],"d":""}}',
    ['b', 'd'],
    '3',
    '{"a":12345678901234567890,"b":{"c":[1,{"b":2}],"d":3}}',
  ],
  ['{}', ['a', 'b'], '1', '{"a":{"b":1}}'],
  ['{"z":1}', ['a', 'b'], '1', '{"z":1,"a":{"b":1}}'],
  ['{"a":null}', ['a', 'b'], '1', '{"a":{"b":1}}'],
  ['{"a":1,"a":2}', ['a'], '3', '{"a":1,"a":3}'],
  ['{"t":"a \\"quoted\\" {brace}","u":1}', ['u'], '2', '{"t":"a \\"quoted\\" {brace}","u":2}'],
] as const)('%s at %j', (text, path, value, changed) => {
  expect(setMember(text, path, value)).toBe(changed)
})

const workflowText =
  '{"init_params":{"seed":12345678901234567890,"instruction":"# Hi","agent":"codex"},"step_configs":{"go":{"activity":"runbook","instruction_path":"init_params.instruction","agent_path":"init_params.agent"}}}'
const stored = { workflowText, task: { workflow: JSON.parse(workflowText) as unknown } }
const places = runbookPlaces(stored.task.workflow)
if (!places) throw new Error('the workflow has a runbook')
const before = runbookTextOf(stored, places)

test('nothing changed is the same text', () => {
  expect(before).toEqual({ instruction: '# Hi', agent: 'codex', model: '' })
  expect(workflowWith(stored, places, before)).toBe(workflowText)
})

test('a change touches nothing else', () => {
  const changed = workflowWith(stored, places, { instruction: '# "Hi"\n', agent: '', model: 'gpt-5.5' })
  expect(changed).toContain('"seed":12345678901234567890,"instruction":"# \\"Hi\\"\\n","agent":null}')
  expect(changed).toContain('"agent_path":"init_params.agent","model":"gpt-5.5"}')
})

const parameter = (name: string, preset: string | null, required = false) => ({
  ...{ name, required },
  description: 'what it is',
  default: preset,
})

test.each([
  ['needed', parameter('subject', null, true), {}, { isRequired: true, standard: undefined, kind: 'line' }],
  [
    'given by the task',
    parameter('subject', null, true),
    { subject: 'Floods' },
    { isRequired: false, standard: 'Floods' },
  ],
  ['the default', parameter('batch', '5'), {}, { standard: '5' }],
  ['a number of the task', parameter('batch', '5'), { batch: 7 }, { standard: '7' }],
  ['null is no value', parameter('batch', '5'), { batch: null }, { standard: '5' }],
  ['a long text', parameter('notes', 'one\ntwo'), {}, { kind: 'text' }],
] as const)('%s', (_, one, given, field) => {
  expect(parameterFields([one], given)).toMatchObject([{ label: one.name, hint: 'what it is', ...field }])
})

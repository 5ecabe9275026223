import { expect, test } from 'vitest'
import { editOfMember } from '../../../../parts/editor/json-editor.tsx'
import { addedStep } from './add-step.tsx'

const after = (text: string, activity: string): unknown => {
  const added = addedStep(text, activity)
  if (!added) return undefined
  const edited = added.edits.reduce((before, { path, value }) => {
    const edit = editOfMember(before, path, value)
    return edit ? before.slice(0, edit.from) + edit.insert + before.slice(edit.to) : before
  }, text)
  return { name: added.name, workflow: JSON.parse(edited) }
}

test.each([
  ['{}', 'ask', { steps: ['ask'], step_configs: { ask: { activity: 'ask' } } }],
  [
    '{"steps": ["ask"], "step_configs": {"ask": {"activity": "ask", "n": 1.0}}}',
    'ask_2',
    { steps: ['ask', 'ask_2'], step_configs: { ask: { activity: 'ask', n: 1 }, ask_2: { activity: 'ask' } } },
  ],
  ['{"steps": ["ask"]}', 'ask_2', { steps: ['ask', 'ask_2'], step_configs: { ask_2: { activity: 'ask' } } }],
])('one more step in %s is called %s', (text, name, workflow) => {
  expect(after(text, 'ask')).toEqual({ name, workflow })
})

test.each(['', '[1]', '{"steps": "ask"}', '{"step_configs": []}'])('%j is no workflow', (text) => {
  expect(addedStep(text, 'ask')).toBeUndefined()
})

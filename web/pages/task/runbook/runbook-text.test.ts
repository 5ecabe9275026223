import { expect, test } from 'vitest'
import { runbookPlaces } from './runbook-places.ts'
import { runbookTextOf, workflowWith } from './runbook-text.ts'

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

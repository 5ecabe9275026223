import { expect, test } from 'vitest'
import { comesWithRun, runbookPlaces, textAt } from './runbook-places.ts'

const standard = {
  init_params: { instruction: '# Hi', agent: null },
  step_configs: {
    run: {
      activity: 'runbook',
      agent_path: 'init_params.agent',
      model_path: 'init_params.model',
      instruction_path: 'init_params.instruction',
      template_variables_path: 'init_params.vars',
    },
  },
}

test('the standard workflow has everything in its parameters', () => {
  const places = runbookPlaces(standard)
  expect(places).toEqual({
    step: 'run',
    instruction: ['init_params', 'instruction'],
    agent: ['init_params', 'agent'],
    model: ['init_params', 'model'],
    vars: ['init_params', 'vars'],
  })
  expect([textAt(standard, places?.instruction), textAt(standard, places?.agent)]).toEqual(['# Hi', ''])
  expect([comesWithRun(places?.vars), comesWithRun(['step_configs', 'run', 'agent']), comesWithRun(undefined)]).toEqual(
    [...[true, false, false]],
  )
})

test('a step with its own text', () => {
  const workflow = {
    step_configs: {
      go: { activity: 'runbook', agent: 'scripted', instruction: '# Go', model_path: 'plan.outputs.model' },
    },
  }
  const places = runbookPlaces(workflow)
  expect(places).toEqual({
    step: 'go',
    instruction: ['step_configs', 'go', 'instruction'],
    agent: ['step_configs', 'go', 'agent'],
    model: undefined,
    vars: ['step_configs', 'go', 'template_variables'],
  })
  expect(textAt(workflow, places?.instruction)).toBe('# Go')
})

test.each([
  ['no steps', {}],
  ['another activity', { step_configs: { a: { activity: 'text_echo', instruction: 'x' } } }],
  [
    'a text that another step writes',
    { step_configs: { a: { activity: 'runbook', instruction_path: 'plan.outputs.text' } } },
  ],
  ['the first of several texts', { step_configs: { a: { activity: 'runbook', instruction_path_expr: 'a || b' } } }],
  ['nonsense', { step_configs: [1, null] }],
])('%s: nothing to edit', (_, workflow) => {
  expect(runbookPlaces(workflow)).toBeUndefined()
})

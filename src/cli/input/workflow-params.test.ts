import { expect, test } from 'vitest'
import { aboutParameters, workflowParameters } from './workflow-params.ts'

const workflow = {
  init_params: { name: 'world' },
  step_configs: {
    ask: { activity: 'litellm_chat', prompt_path: 'init_params.question', model_path: "init_params['the model']" },
    greet: {
      activity: 'text_template',
      template: 'Hello {{init_params.title}} {{name}}',
      options: { to: ['init_params.to[0].x'] },
    },
    child: { activity: 'run_workflow', init_params: { own: 1 } },
  },
}

test('a workflow has the parameters that it gives a default, and those that its steps refer to', () => {
  expect(workflowParameters(workflow)).toEqual(['name', 'question', 'the model', 'title', 'to'])
  expect(workflowParameters({ step_configs: { a: { items_path: 'init_params' } } })).toBeUndefined()
  expect(workflowParameters({})).toEqual([])
})

test('a parameter that the workflow does not have is named, with the nearest one', () => {
  const about = (names: string[], of: object = workflow) => aboutParameters(of, names, 'demo/x')
  expect(about(['name', 'question', 'file_paths'])).toEqual([])
  expect(about(['nmae', 'nmae'])).toEqual([
    'demo/x has no parameter nmae, and the run does not use it. Did you mean name?',
  ])
  expect(about(['zzzzzzzz'])).toEqual([expect.stringContaining('It has: name, question, the model, title, to')])
  expect(about(['x'], {})).toEqual([expect.stringContaining('It has none.')])
  expect(about(['x'], { step_configs: { a: { all: '{{init_params}}' } } })).toEqual([])
})

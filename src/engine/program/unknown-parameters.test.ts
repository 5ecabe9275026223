import { expect, test } from 'vitest'
import { workflowParameters } from '../../model/workflows/workflow-parameters.ts'
import { unknownParameters } from './unknown-parameters.ts'

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
  const about = (names: string[], of: object = workflow) =>
    unknownParameters(workflowParameters(of), [Object.fromEntries(names.map((name) => [name, 1]))], {
      task: 'x',
      field: 'init_params',
      alsoKnown: [],
    })
  expect(about(['name', 'question', 'file_paths'])).toEqual([])
  expect(about(['nmae'])).toEqual([
    {
      field: 'init_params.nmae',
      message: "Task 'x' has no parameter 'nmae', and its runs do not use it; did you mean 'name'?",
      did_you_mean: 'name',
    },
  ])
  expect(about(['zzzzzzzz'])).toMatchObject([
    { message: expect.stringContaining('it has name, question, the model, title, to') },
  ])
  expect(about(['x'], {})).toMatchObject([{ message: expect.stringContaining('it has none') }])
  expect(about(['x'], { step_configs: { a: { all: '{{init_params}}' } } })).toEqual([])
  expect(about(['x'], { input_schema: { properties: { x: {} } } })).toEqual([])
  expect(about(Array.from({ length: 30 }, (_, at) => `unknown_${at}`))).toHaveLength(20)
})

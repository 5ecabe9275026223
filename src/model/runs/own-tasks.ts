import { type Shape, shapes } from '../gateway/shape.ts'
import { batchTask } from './batch.ts'
import { evaluationTask, judgementTask } from './evaluation.ts'
import { tryTask } from './try.ts'

/** A task that the server makes itself when it records the first run of it. */
interface OwnTask {
  /** JSON text of the workflow that its runs are shown with, and can be run again by. */
  workflow: string
  description: string
}

/** Name of the only step of a recorded call. */
export const callStep = 'completion'

/** The server's own task under which calls of a shape are recorded. */
export const callTask = (shape: Shape): string => `_${shape}`

/** Each run has a workflow of its own, or, as a trace, none. */
const noWorkflow = '{"steps":[]}'

/** The step config of each shape of call that an activity can make: the activity, and the paths of its parameters in the request. */
const callSteps: Partial<Record<Shape, Record<string, string>>> = {
  completions: { activity: 'litellm_chat', model_path: 'init_params.model', prompt_path: 'init_params.prompt' },
  chat: { activity: 'litellm_chat', model_path: 'init_params.model', messages_path: 'init_params.messages' },
  embeddings: { activity: 'litellm_embeddings', model_path: 'init_params.model', input_path: 'init_params.input' },
  images: { activity: 'litellm_image_generation', model_path: 'init_params.model', prompt_path: 'init_params.prompt' },
  responses: { activity: 'litellm_chat', model_path: 'init_params.model', prompt_path: 'init_params.input' },
  messages: { activity: 'litellm_chat', model_path: 'init_params.model', messages_path: 'init_params.messages' },
  gemini: { activity: 'litellm_chat', model_path: 'init_params.model', prompt_path: 'init_params.contents' },
}

/** The shape of calls that are recorded under a task, where no activity can make such a call again. */
export const callWithoutActivity = (task: string): Shape | undefined =>
  shapes.find((shape) => callTask(shape) === task.toLowerCase() && !callSteps[shape])

const callWorkflow = (shape: Shape): string => {
  const config = callSteps[shape]
  if (!config) return noWorkflow
  return JSON.stringify({ init_params: {}, step_configs: { [callStep]: config }, steps: [callStep] })
}

const ofCalls = (shape: Shape): OwnTask => ({
  workflow: callWorkflow(shape),
  description: 'Calls of the gateway, recorded by the server',
})

/** One step that starts a run for each item and waits for all of them. */
const batchWorkflow = {
  init_params: { task: '', items: [], max_concurrency: 20, labels: {} },
  step_configs: {
    runs: {
      activity: 'list_emit_await',
      child_workflow_name_path: 'init_params.task',
      items_path: 'init_params.items',
      spread_items: true,
      max_concurrency_path: 'init_params.max_concurrency',
      labels_path: 'init_params.labels',
      continue_on_error: true,
    },
  },
  steps: ['runs'],
}

/** Task of traces of other programs whose sender names none. */
export const tracesTask = '_traces'

const tasks: Record<string, OwnTask> = {
  ...Object.fromEntries(shapes.map((shape) => [callTask(shape), ofCalls(shape)])),
  [tracesTask]: { workflow: noWorkflow, description: 'Traces of another program' },
  [tryTask]: { workflow: noWorkflow, description: 'Steps that were tried in an editor, recorded by the server' },
  [batchTask]: { workflow: JSON.stringify(batchWorkflow), description: 'Batches, recorded by the server' },
  [evaluationTask]: { workflow: noWorkflow, description: 'Evaluations, recorded by the server' },
  [judgementTask]: { workflow: noWorkflow, description: 'Judgements of evaluations, recorded by the server' },
}

/** The server's own task of a name, in any spelling; undefined for tasks of users. */
export const findOwnTask = (name: string): OwnTask | undefined =>
  Object.hasOwn(tasks, name.toLowerCase()) ? tasks[name.toLowerCase()] : undefined

/** The server's own task of a name. Throws for any other. */
export const getOwnTask = (name: string): OwnTask => {
  const task = findOwnTask(name)
  if (task) return task
  throw new TypeError(`${name} is no task of the server`)
}

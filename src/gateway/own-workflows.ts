import { type Shape, shapes } from '../model/gateway/shape.ts'
import { definitionHash } from '../store/tasks/tasks.ts'

/** Name of the only step of a recorded call. */
export const stepName = 'completion'

/** The step config of each shape of call: its activity, and the paths of its parameters in the request. */
const steps: Record<Shape, Record<string, string>> = {
  chat: { activity: 'litellm_chat', model_path: 'init_params.model', messages_path: 'init_params.messages' },
  embeddings: { activity: 'litellm_embeddings', model_path: 'init_params.model', input_path: 'init_params.input' },
  images: { activity: 'litellm_image_generation', model_path: 'init_params.model', prompt_path: 'init_params.prompt' },
  responses: { activity: 'litellm_chat', model_path: 'init_params.model', prompt_path: 'init_params.input' },
  messages: { activity: 'litellm_chat', model_path: 'init_params.model', messages_path: 'init_params.messages' },
}

const textOf = (shape: Shape): string =>
  JSON.stringify({ init_params: {}, step_configs: { [stepName]: steps[shape] }, steps: [stepName] })

/** The workflow that recorded calls of a shape are shown with, and can be run again by, as JSON text with its hash. */
export const workflows: Record<Shape, { text: string; hash: string }> = Object.fromEntries(
  shapes.map((shape) => [shape, { text: textOf(shape), hash: definitionHash(textOf(shape)) }]),
) as Record<Shape, { text: string; hash: string }>

/** The server's own task under which calls of a shape are recorded. */
export const ownTask = (shape: Shape): string => `_${shape}`

export const isOwnTask = (name: string): boolean => shapes.some((shape) => ownTask(shape) === name)

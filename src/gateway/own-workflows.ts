import { type Shape, shapes } from '../model/gateway/shape.ts'
import { callTask, getOwnTask } from '../model/runs/own-tasks.ts'
import { definitionHash } from '../store/tasks/tasks.ts'

const workflowOf = (shape: Shape) => {
  const { workflow: text } = getOwnTask(callTask(shape))
  return { text, hash: definitionHash(text) }
}

/** The workflow that recorded calls of a shape are shown with, as JSON text with its hash. */
export const workflows = Object.fromEntries(shapes.map((shape) => [shape, workflowOf(shape)])) as Record<
  Shape,
  { text: string; hash: string }
>

/** Whether a task is one under which calls are recorded that name none. */
export const isCallTask = (name: string): boolean => shapes.some((shape) => callTask(shape) === name)

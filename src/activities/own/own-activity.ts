import type { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { Effects } from '../../model/workflows/effects.ts'
import type { ActivityContext, Json } from '../activity.ts'

/** Categories of the catalogue that an activity of yours may be shown under. */
export const ownCategories = [
  ...(['own', 'text', 'files', 'data', 'control', 'models', 'judge', 'image', 'video', 'agent'] as const),
]

/** The context of one attempt of a step, the same in the server's process and in a worker. */
export interface WorkContext extends Pick<ActivityContext, 'idempotencyKey' | 'signal' | 'trace'> {
  run: Pick<ActivityContext['run'], 'trajectory_id' | 'collection' | 'task'>
  step: Pick<ActivityContext['step'], 'name' | 'attempt'>
  files: {
    /** A file of the run's collection; anything else is not found. */
    open: ActivityContext['files']['open']
    /** Stores bytes as a file of the collection. Return its `path` in the outputs, so that later steps find it. */
    save(file: {
      name: string
      content_type: string
      body: Uint8Array | string
    }): ReturnType<ActivityContext['files']['save']>
  }
  /** Writes a line into the log of the step, which keeps the last 200. */
  log(message: string, level?: 'debug' | 'info' | 'warning' | 'error'): void
  /** Tells how much is done, from 0 to 1. A worker sends it; in the server's process it has no effect. */
  progress(done: number, message?: string): void
}

/** The context in the process of the server, which has what built-in activities use: `run(parameters, context: ServerContext)`. */
export interface ServerContext extends Omit<ActivityContext, keyof WorkContext>, WorkContext {}

/** An activity as a module exports it, with the defaults of what it left out. */
export interface OwnActivity<Context = WorkContext> {
  name: string
  category: (typeof ownCategories)[number]
  description: string
  parameters: z.ZodObject
  outputs: z.ZodObject
  example: Record<string, Json>
  gotchas: string[]
  nested: string[]
  literal: string[]
  secret: string[]
  pure: boolean
  /** What it does outside of the run: a trial of another version executes no step that `writes`. */
  effects: Effects
  timeoutSeconds: number | undefined
  /** Whether the step may run again after its process or worker was lost in the middle. With false it fails then. */
  idempotent: boolean
  /** No method: one that needs the context of the server must not be taken by a worker. */
  run: (parameters: Record<string, Json>, context: Context) => Promise<Record<string, Json>>
}

/** The outputs as the activity declares them. Throws `activity_failed` with the path of what does not fit. */
export const checkedOutputs = (
  { name, outputs }: Pick<OwnActivity, 'name' | 'outputs'>,
  result: unknown,
): Record<string, Json> => {
  const parsed = outputs.safeParse(result)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(
    (issue) => `${['outputs', ...issue.path].map(String).join('.')}: ${issueText(issue)}`,
  )
  throw new AppError(
    'activity_failed',
    `Activity ${name} returned outputs that it does not declare: ${faults.join('; ')}`,
    {
      hint: 'Correct what run returns, or the outputs of the declaration.',
    },
  )
}

/** `jetty-server/activity`: what a module needs to declare activities for JETTY_ACTIVITIES_DIR or a worker. */
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import type { OwnActivity, WorkContext } from './own-activity.ts'

export type { OwnActivity, ServerContext, WorkContext } from './own-activity.ts'
export { z }

type Optional =
  | 'category'
  | 'example'
  | 'gotchas'
  | 'nested'
  | 'literal'
  | 'secret'
  | 'pure'
  | 'effects'
  | 'timeoutSeconds'
  | 'idempotent'

/** Fails the step with this message. A step tries again by itself after a `retryable` failure. */
export class ActivityError extends AppError {
  constructor(message: string, options: { hint?: string; retryable?: boolean; retryAfterSeconds?: number } = {}) {
    super('activity_failed', message, options)
    this.name = 'ActivityError'
  }
}

/**
 * Declares an activity. The schemas type `run`, are checked at run time, and describe the activity in the catalogue: a
 * parameter that is not declared, or an output that is missing, undeclared or of another type, is a compile error.
 *
 * @example
 * import { activity, z } from 'jetty-server/activity'
 *
 * export default activity({
 *   name: 'text.count_words',
 *   description: 'Counts the words of a text.',
 *   parameters: z.object({ text: z.string().describe('Text to count.') }),
 *   outputs: z.object({ words: z.int().describe('Number of words.') }),
 *   run: async ({ text }) => ({ words: text.split(/\s+/).filter(Boolean).length }),
 * })
 */
const declareActivity = <
  Parameters extends z.ZodObject,
  Outputs extends z.ZodObject,
  Result extends z.input<Outputs>,
  Context extends WorkContext = WorkContext,
>(
  definition: Omit<OwnActivity, 'parameters' | 'outputs' | 'run' | Optional> &
    Partial<Pick<OwnActivity, Optional>> & {
      parameters: Parameters
      outputs: Outputs
      run(
        parameters: z.output<Parameters>,
        context: Context,
      ): Promise<Result & { [Name in Exclude<keyof Result, keyof z.input<Outputs>>]: never }>
    },
): OwnActivity<Context> => ({
  category: 'own',
  example: { activity: definition.name },
  gotchas: [],
  nested: [],
  literal: [],
  secret: [],
  pure: false,
  effects: 'writes',
  timeoutSeconds: undefined,
  idempotent: true,
  ...definition,
  run: definition.run as unknown as OwnActivity<Context>['run'],
})

export { declareActivity as activity }

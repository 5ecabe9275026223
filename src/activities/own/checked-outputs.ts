import { AppError } from '../../lib/errors.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { Json } from '../activity.ts'
import type { OwnActivity } from './own-activity.ts'

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

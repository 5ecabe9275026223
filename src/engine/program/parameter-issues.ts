import { z } from 'zod'
import type { Activity } from '../../activities/activity.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import type { Guess } from '../../lib/text/nearest.ts'
import { question, type Remark } from './remark.ts'

/** Finds what an activity would refuse about a parameter's value, with the nearest accepted value. */
export const parameterIssues = (
  activity: Activity,
  { parameter, key: written, value }: { parameter: string; key: string; value: unknown },
  guess: Guess,
): Remark[] => {
  const schema = activity.parameters.shape[parameter]
  if (schema === undefined) return []
  const parsed = z.safeParse(schema, value)
  return (parsed.error?.issues ?? []).map((issue) => {
    const at = issue.path.map(String)
    const word = valueAt(value, issue.path)
    const meant =
      issue.code === 'invalid_value' && typeof word === 'string' ? guess(word, issue.values.map(String)) : undefined
    return {
      message: `parameter '${[parameter, ...at].join('.')}' of ${activity.name} is not valid: ${issueText(issue)}${question(meant)}`,
      key: [written, ...at],
      meant,
    }
  })
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((from, key) => (from as Record<PropertyKey, unknown> | undefined)?.[key], value)

import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** zod's message for a union without a message of its own. */
const wordless = 'Invalid input'
const intro = `${wordless}: `

/** The expectation of one alternative of a union, with its path. */
const ofForm = (issue: Issue): string => {
  const text = issueText(issue).replace(intro, '')
  return issue.path.length > 0 ? `at ${issue.path.map(String).join('.')} ${text}` : text
}

/** Describes a validation issue; for a union, what each alternative expected, and for a name, what is wrong with it. */
export const issueText = (issue: Issue): string => {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  if (issue.code !== 'invalid_union' || issue.message !== wordless) return issue.message
  const forms = issue.errors.flatMap(([first]) => (first ? [ofForm(first)] : []))
  return forms.length > 0 ? `${intro}${[...new Set(forms)].join('; or ')}` : issue.message
}

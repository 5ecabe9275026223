import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** What a union says of its own, unless it was given words. */
const wordless = 'Invalid input'
const intro = `${wordless}: `

/** What one form of a union expected, and where. */
const ofForm = (issue: Issue): string => {
  const text = issueText(issue).replace(intro, '')
  return issue.path.length > 0 ? `at ${issue.path.map(String).join('.')} ${text}` : text
}

/** What a fault of a value is, in words: where several forms are taken, what each of them expected. */
export const issueText = (issue: Issue): string => {
  if (issue.code !== 'invalid_union' || issue.message !== wordless) return issue.message
  const forms = issue.errors.flatMap(([first]) => (first ? [ofForm(first)] : []))
  return forms.length > 0 ? `${intro}${[...new Set(forms)].join('; or ')}` : issue.message
}

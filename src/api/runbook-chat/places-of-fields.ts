import { AppError, type FieldIssue } from '../../lib/errors.ts'
import { runbookBlockSchema } from '../../model/runbooks/runbook-chat.ts'

/** Paths of fields in a chat, by their names in runs, steps and preflight. */
const elsewhere: Readonly<Record<string, readonly string[]>> = {
  instruction: ['messages'],
  runbook: ['messages'],
  prompt: ['messages'],
  model: ['model'],
  files: ['jetty', 'file_paths'],
  variables: ['jetty', 'template_variables'],
}

const inBlock = new Set(Object.keys(runbookBlockSchema.shape))

const inChat = ({ loc, ...issue }: FieldIssue): FieldIssue => {
  const [where, field = '', ...rest] = loc
  const name = String(field)
  const place = elsewhere[name] ?? (inBlock.has(name) ? ['jetty', name] : [name])
  return { ...issue, loc: where === 'body' ? ['body', ...place, ...rest] : loc }
}

/** Renames the fields in a run's error to those of a chat. */
export const namedForChat = (error: unknown): unknown => {
  if (!(error instanceof AppError) || !error.issues) return error
  const { code, message, hint, cause, retryable, extra, issues } = error
  return new AppError(code, message, {
    retryable,
    issues: issues.map(inChat),
    ...(hint !== undefined && { hint }),
    ...(extra && { extra }),
    ...(cause !== undefined && { cause }),
  })
}

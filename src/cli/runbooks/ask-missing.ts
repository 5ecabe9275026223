import { AppError } from '../../lib/errors.ts'
import type { RunbookPreflight, RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import { askSecret, askText, isAnswered } from '../input/ask.ts'
import type { CommandOutput } from '../show/output.ts'
import { preflightText } from './preflight-text.ts'

/**
 * Asks on a terminal for missing variables and secrets of a runbook. Returns the request unchanged if there is no
 * terminal, nothing is missing, or answers would not suffice.
 */
export const askMissing = async (
  request: RunbookRequest,
  found: RunbookPreflight,
  setSecret: ((name: string, value: string) => void | Promise<void>) | undefined,
): Promise<RunbookRequest> => {
  const secrets = setSecret ? found.missing_secrets : []
  if (!isAnswered() || found.missing_variables.length + secrets.length === 0) return request
  const answered = ['variables', ...(setSecret ? ['secrets'] : [])]
  if (found.checks.some(({ name, state }) => state === 'failed' && !answered.includes(name))) return request
  const meaning = await meaningsOf(request.instruction)
  const filled: Record<string, unknown> = { ...request.template_variables }
  for (const name of found.missing_variables) filled[name] = await askText(`${name}${meaning(name)}`)
  for (const name of secrets) await setSecret?.(name, (await askSecret(`Value of ${name}`)).trim())
  return { ...request, template_variables: filled }
}

/** Descriptions from the runbook's parameter table. */
const meaningsOf = async (text: string): Promise<(name: string) => string> => {
  const { readRunbook } = await import('../../sandbox/runbooks/format/runbook.ts')
  const { parameters } = readRunbook(text)
  return (name) => {
    const row = parameters.find(({ variable }) => variable === name)
    return row === undefined || row.description === '' ? '' : `: ${row.description}`
  }
}

/** Fails with all findings when a runbook cannot be started or deployed. */
export const refuse = (
  out: CommandOutput,
  { ready, checks }: RunbookPreflight,
  verb: 'begun' | 'deployed' = 'begun',
): void => {
  if (ready) return // warnings appear among its events
  out.note(preflightText(checks.filter(({ state }) => state !== 'ok')))
  throw new AppError('invalid', `The runbook was not ${verb}`, { hint: 'Fix the checks marked ✗ above.' })
}

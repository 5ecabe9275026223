import type { RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { SandboxPlaces } from '../isolation/sandbox.ts'

const mostFedBack = 16 * 1024

/** Prompt that starts an agent. */
export const firstPrompt = (
  { prompt, files }: Pick<RunbookRequest, 'prompt' | 'files'>,
  places: SandboxPlaces,
): string =>
  [
    `Carry out the runbook ${places.runbook} from its beginning to its end.`,
    `Write every result into ${places.results}; only what is there is kept.`,
    ...(files && files.length > 0 ? [`The inputs are in ${places.assets}.`] : []),
    'Nobody can answer questions: where something is open, decide, and say in the results how.',
    'Say at the end in a few sentences what came of it.',
    ...(prompt?.trim() ? [`\nWhoever asked for it adds:\n\n${prompt.trim()}`] : []),
  ].join('\n')

/** Prompt for a repair, after the results did not pass. */
export const repairPrompt = (
  round: { number: number; of: number },
  problem: string,
  output: string,
  places: SandboxPlaces,
): string =>
  [
    `You have carried out the runbook ${places.runbook}, and what you have made was checked and did not pass.`,
    problem,
    ...(output.trim() === '' ? [] : [`\nWhat the check said last:\n\n${output.trim().slice(-mostFedBack)}\n`]),
    `Mend what is in ${places.results}, so that the check passes. The check itself cannot be changed by you.`,
    `This is repair ${round.number} of at most ${round.of}.`,
  ].join('\n')

import type { PreflightCheck } from '../../../model/runbooks/runbook-request.ts'
import { failed } from './checks.ts'
import { scriptedOffer } from './offers.ts'

const shellBlock = /(`{3,}|~{3,})[ \t]*(?:sh|bash)\b/i
const bashBlock = /(`{3,}|~{3,})[ \t]*bash\b/i

/** Checks whether `scripted` can run the shell blocks of a runbook, each with the shell it names. */
export const checkBlocks = (text: string, hasBash: boolean): PreflightCheck[] => {
  if (!shellBlock.test(text)) {
    const fix = 'Fence commands as ```sh or ```bash, or choose a coding agent.'
    return [failed('agent', 'scripted runs only fenced sh and bash blocks, and the runbook has none', fix, 'agent')]
  }
  if (hasBash || !bashBlock.test(text)) return []
  const fix = 'Install it (sudo apt install bash), run it in an image that has it, or fence the blocks as ```sh.'
  return [failed('agent', 'The runbook has bash blocks, but bash is not installed here', fix, 'agent')]
}

/** Checks that a user can satisfy by repeating the command with more arguments. */
const curable = ['key', 'model', 'variables', 'secrets']

/** Suggests `scripted` when a key or a model is missing and nothing else would keep it from running. */
export const offerScripted = (checks: readonly PreflightCheck[], text: string, hasBash: boolean): PreflightCheck[] => {
  const failures = checks.filter(({ state }) => state === 'failed')
  const first = failures.find(({ name }) => name === 'key' || name === 'model')
  const wouldRun = checkBlocks(text, hasBash).length === 0 && failures.every(({ name }) => curable.includes(name))
  if (!first || !wouldRun) return [...checks]
  return checks.map((check) => (check === first ? { ...check, fix: `${check.fix} ${scriptedOffer}` } : check))
}

import pc from 'picocolors'
import { essenceOf } from '../../lib/files/media-type.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { RunbookUsage, Verification } from '../../model/runbooks/runbook-run.ts'
import { wasIsolated } from '../../model/runbooks/sandbox.ts'
import { cliWords } from '../show/cli-words.ts'
import { type CommandOutput, duration, hanging, paintStatus, quantity, safe, table } from '../show/output.ts'

/** Result of a runbook, local or remote. */
interface ShownOutcome {
  /** Path of the recorded run, or of the runbook's file. */
  name: string
  status: string
  failure: { reason: string | null; message: string; hint?: string | null } | null
  verification: Verification | null
  usage: RunbookUsage | null
  sandbox: string | null
  /** Files as stored here. */
  files: { path: string; size: number; content_type: string }[]
}

/** Includes fractions of a cent: most calls cost less than one. */
const dollars = (usd: number | null): string => {
  if (usd === null) return 'cost unknown'
  return usd === 0 ? '$0' : `$${usd.toFixed(usd < 0.1 ? 4 : 2)}`
}

const usageText = (usage: RunbookUsage): string =>
  [
    quantity(usage.api_calls, 'call'),
    quantity(usage.total_tokens, 'token'),
    dollars(usage.cost_usd),
    duration(usage.duration_seconds),
  ].join(' · ')

const verificationText = ({ passed, kind, score, exit_code: code, repair_rounds: repairs }: Verification): string => {
  const by =
    kind === 'judge' ? `a judge${score === null ? '' : `, score ${score}`}` : `a command, exit code ${code ?? '-'}`
  const rounds = repairs === 0 ? '' : ` after ${quantity(repairs, 'repair')}`
  return `${passed ? pc.green('passed') : pc.red('not passed')} by ${by}${rounds}`
}

const filesText = (files: ShownOutcome['files']): string =>
  table(
    ['FILE', 'SIZE', 'TYPE'],
    files.map(({ path, size, content_type: type }) => [path, byteSize(size), essenceOf(type)]),
  )

/** Reports the result on stderr and the files on stdout; after an event stream, everything as its last line. */
export const showOutcome = (out: CommandOutput, data: object, outcome: ShownOutcome, isStream: boolean): void => {
  const { failure, verification, usage, files } = outcome
  if (verification && !verification.passed && verification.output.trim() !== '') {
    out.note(pc.dim(safe(verification.output.trimEnd().split('\n').slice(-20).join('\n')).replace(/^/gm, '    ')))
  }
  if (isStream) out.print(JSON.stringify({ type: 'outcome', ...data }))
  else out.answer(data, () => (files.length === 0 ? '' : filesText(files)))
  const lines: [string, string][] = []
  if (verification) lines.push(['verified', verificationText(verification)])
  if (usage) lines.push(['used', usageText(usage)])
  if (outcome.sandbox !== null && !wasIsolated(outcome.sandbox))
    lines.push(['sandbox', pc.yellow('none: the agent ran as an ordinary process')])
  out.note(`${paintStatus(outcome.status)} ${safe(outcome.name)}`)
  for (const [name, text] of lines) out.note(`  ${pc.dim(name.padEnd(8))} ${text}`)
  if (!failure) return
  out.note(`  ${pc.red(failure.reason ?? 'error')}: ${hanging(cliWords(failure.message), 4)}`)
  if (failure.hint) out.note(`  ${pc.dim('→')} ${safe(cliWords(failure.hint))}`)
}

import pc from 'picocolors'
import type { PreflightCheck } from '../model/runbook-request.ts'
import { safe } from './output.ts'

const marks = { ok: pc.green('✓'), warning: pc.yellow('!'), failed: pc.red('✗') }

const line = ({ name, state, found, fix }: PreflightCheck, width: number): string => {
  const head = `${marks[state]} ${name.padEnd(width)} ${safe(found).replace(/\n/g, `\n  ${' '.repeat(width)} `)}`
  return fix === null || state === 'ok' ? head : `${head}\n  ${' '.repeat(width)} ${pc.dim('→')} ${safe(fix)}`
}

/** What was looked at before a runbook is begun, green and red, each with its remedy. */
export const preflightText = (checks: readonly PreflightCheck[]): string => {
  const width = Math.max(0, ...checks.map(({ name }) => name.length))
  return checks.map((check) => line(check, width)).join('\n')
}

import { existsSync, writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import type { RunbookFinding, RunbookVerdict } from '../../model/runbooks/runbook.ts'
import { type EvaluationKind, evaluationKinds } from '../../model/runbooks/runbook-evaluation.ts'
import { exitCodes } from '../exit.ts'
import { readInputText } from '../input/inputs.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'
import { registerRunbookCheck } from './runbook-check.ts'
import { registerRunbookDeploy } from './runbook-deploy.ts'
import { registerRunbookRun } from './runbook-run.ts'

/** `jetty runbook …`. */
export const registerRunbook = (program: Command): void => {
  const runbook = program
    .command('runbook')
    .description('Write, check, run and deploy runbooks: markdown files with instructions for a coding agent')
  runbook
    .command('validate <files...>')
    .description('Find faults in runbooks; needs no server')
    .option('--strict', 'count missing parts of the format as errors')
    .addHelpText(
      'after',
      `
A runbook with an error cannot run. A warning points at a missing part of the format or something worth checking.
- is stdin. The exit code is 1 if a file has errors.

Examples:
  jetty runbook validate RUNBOOK.md
  jetty runbook validate --strict runbooks/*/RUNBOOK.md
  jetty runbook validate RUNBOOK.md --json | jq .[].errors`,
    )
    .action(withSession<{ strict?: boolean }, [string[]]>(validate))
  runbook
    .command('init [file]')
    .description('Write a new runbook from a template (default: RUNBOOK.md)')
    .addOption(
      new Option('--evaluation <kind>', 'how the results are evaluated')
        .choices(evaluationKinds)
        .default('programmatic'),
    )
    .option('--title <title>', 'title of the runbook', 'My Report')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty runbook init\n  jetty runbook init review.md --evaluation rubric --title "Code Review"',
    )
    .action(withSession<InitOptions, [string | undefined]>(init))
  registerRunbookCheck(runbook)
  registerRunbookRun(runbook)
  registerRunbookDeploy(runbook)
}

const validate = async ({ out }: Session, [files]: [string[]], { strict }: { strict?: boolean }): Promise<void> => {
  const { validateRunbook } = await import('../../sandbox/runbooks/format/validate.ts')
  const verdicts = files.map((file) => ({ file, ...validateRunbook(readInputText(file), strict ? 'strict' : 'loose') }))
  out.answer(verdicts, () => verdicts.map((verdict) => verdictText(verdict.file, verdict)).join('\n\n'))
  if (verdicts.some(({ valid }) => !valid)) process.exitCode = exitCodes.failed
}

const verdictText = (file: string, { valid, level, errors, warnings }: RunbookVerdict): string => {
  const mark = valid ? pc.green('✓') : pc.red('✗')
  const reached = level === null ? 'cannot run until its errors are fixed' : level
  const counts = [counted(errors, 'error'), counted(warnings, 'warning')].filter((text) => text !== '').join(', ')
  const line = (finding: RunbookFinding, paint: (text: string) => string) =>
    `  ${pc.dim(`${finding.line}:${finding.column}`.padEnd(7))} ${paint(finding.rule.padEnd(3))} ${safe(finding.message)}\n` +
    `  ${' '.repeat(11)} ${pc.dim('→')} ${safe(finding.fix)}`
  return [
    `${mark} ${safe(file)}: ${reached}${counts === '' ? '' : ` (${counts})`}`,
    ...errors.map((finding) => line(finding, pc.red)),
    ...warnings.map((finding) => line(finding, pc.yellow)),
  ].join('\n')
}

const counted = ({ length }: RunbookFinding[], what: string): string =>
  length === 0 ? '' : `${length} ${what}${length === 1 ? '' : 's'}`

interface InitOptions {
  evaluation: EvaluationKind
  title: string
  force?: boolean
}

const init = async (
  { out }: Session,
  [file = 'RUNBOOK.md']: [string | undefined],
  { evaluation, title, force }: InitOptions,
): Promise<void> => {
  if (existsSync(file) && !force) {
    throw new AppError('conflict', `${file} already exists`, {
      hint: 'Name another file, or overwrite it with --force.',
    })
  }
  const { runbookTemplate } = await import('../../sandbox/runbooks/format/templates.ts')
  writeFileSync(file, runbookTemplate(title.replace(/\s+/g, ' ').trim(), evaluation))
  out.answer({ file, evaluation }, () => `${pc.green('✓')} ${safe(file)} written`)
  out.note(`Next: edit it, then check it with: jetty runbook validate ${file} --strict`)
}

import { messageOf } from '../../../lib/errors.ts'
import type { RunbookFrontMatter } from '../../../model/runbooks/runbook.ts'
import type { RunbookHost } from '../../../model/runbooks/runbook-run.ts'
import type { WalkedFile } from '../../isolation/files/walk-results.ts'
import type { SandboxProvider, SandboxSpec } from '../../isolation/sandbox.ts'
import { type DeclaredFiles, matchesOf } from '../format/declared-files.ts'
import type { Failure } from '../results/success.ts'
import { fillVariables, type Variables } from '../variables.ts'
import { fillCommand } from './fill-command.ts'
import { type CheckVerdict, type CommandCheck, verifyByCommand } from './verify-command.ts'
import { type JudgeCheck, verifyByJudge } from './verify-judge.ts'

/** The check that decides instead of the agent's own report. */
export interface Check {
  by: { command: CommandCheck } | { judge: JudgeCheck }
  /** Maximum repair rounds after a failed check. */
  repairRounds: number
}

const defaultSeconds = 300

/** The check that a runbook declares, with variables filled. */
export const checkOf = ({ verify }: RunbookFrontMatter, variables: Variables): Check | undefined => {
  if (verify === null || verify === undefined) return undefined
  const given = typeof verify === 'string' ? { command: verify, repair_rounds: 0 } : verify
  if ('judge' in given) {
    const judge = { ...given.judge, rubric: fillVariables(given.judge.rubric, variables) }
    return { by: { judge }, repairRounds: given.repair_rounds }
  }
  const filled = fillCommand(given.command, variables)
  const timeoutSeconds = ('timeout_sec' in given ? given.timeout_sec : undefined) ?? defaultSeconds
  return { by: { command: { ...filled, timeoutSeconds } }, repairRounds: given.repair_rounds }
}

interface VerifyOptions {
  files: readonly WalkedFile[]
  declared: DeclaredFiles
  provider: Pick<SandboxProvider, 'create'>
  spec: Omit<SandboxSpec, 'agentFolder'>
  host: Pick<RunbookHost, 'chat' | 'tell' | 'scrubFile' | 'signal'>
  scrub(text: string): string
}

/** Runs the check and returns its verdict, or why it could not run. Throws only when cancelled. */
export const verify = async ({ by }: Check, options: VerifyOptions): Promise<{ verdict: CheckVerdict } | Failure> => {
  const { files, declared, provider, spec, host, scrub } = options
  try {
    if ('command' in by) {
      return { verdict: await verifyByCommand(by.command, files, { provider, spec }, scrub, host.signal) }
    }
    const first = [...declared.primary, ...declared.manifest].flatMap((file) => matchesOf(file, files))
    return { verdict: await verifyByJudge(by.judge, [...new Set([...first, ...files])], host, scrub) }
  } catch (error) {
    if (host.signal.aborted)
      return { reason: 'cancelled', message: 'The run was cancelled during the independent check' }
    return {
      reason: 'verify_unavailable',
      message: `The independent check could not run: ${scrub(messageOf(error))}`,
    }
  }
}

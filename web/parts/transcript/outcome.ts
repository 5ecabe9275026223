import type { RunbookOutcome } from '../../../src/model/runbooks/runbook-run.ts'

/** Outputs of a runbook step, as far as they are known: a failed one may lack some. */
export type RunbookOutputs = Partial<
  Pick<
    RunbookOutcome,
    | 'results_files'
    | 'files'
    | 'primary_files'
    | 'text'
    | 'agent'
    | 'model'
    | 'sandbox'
    | 'usage'
    | 'validation_report'
    | 'verification'
    | 'results_dir'
    | 'agent_log'
  >
> & { success?: boolean; failure_reason?: string | null }

/** A check that says whether the result of a runbook can be believed. */
export interface ResultCheck {
  name: string
  state: 'passed' | 'failed' | 'none'
  /** What the check found. */
  text: string
}

const missing = new Set(['missing_files', 'empty_files', 'no_results'])

const filesCheck = ({ results_files: files, failure_reason: reason }: RunbookOutputs): ResultCheck => {
  const count = files?.length ?? 0
  const text = `${count} ${count === 1 ? 'file' : 'files'}`
  if (reason && missing.has(reason))
    return { name: 'Files', state: 'failed', text: `${text}; ${reason.replaceAll('_', ' ')}` }
  return { name: 'Files', state: count > 0 ? 'passed' : 'none', text }
}

const reportCheck = ({ validation_report: report, failure_reason: reason }: RunbookOutputs): ResultCheck => {
  const name = 'Report of the agent'
  if (reason === 'report_invalid') return { name, state: 'failed', text: 'It is missing, or cannot be read' }
  if (!report) return { name, state: 'none', text: 'The agent wrote none' }
  const hasPassed = report.overall_passed
  if (hasPassed === false) return { name, state: 'failed', text: 'The agent says that it failed' }
  return {
    name,
    state: hasPassed === true ? 'passed' : 'none',
    text: hasPassed === true ? 'The agent says that all passed' : 'It says nothing',
  }
}

const verifyCheck = ({ verification, failure_reason: reason }: RunbookOutputs): ResultCheck => {
  if (!verification) {
    const isAsked = reason === 'verify_unavailable'
    return {
      name: 'Verification',
      state: isAsked ? 'failed' : 'none',
      text: isAsked ? 'It could not be carried out' : 'The runbook asks for none',
    }
  }
  const { passed, kind, exit_code: exit, score, repair_rounds: repairs } = verification
  const found =
    kind === 'judge'
      ? score === null
        ? 'judge'
        : `judge, score ${score}`
      : exit === null
        ? 'command'
        : `command, exit ${exit}`
  const after = repairs > 0 ? ` after ${repairs} ${repairs === 1 ? 'repair' : 'repairs'}` : ''
  return { name: 'Verification', state: passed ? 'passed' : 'failed', text: `${found}${after}` }
}

/** The checks of a runbook, the ones nearest to the result first. */
export const resultChecks = (outputs: RunbookOutputs): ResultCheck[] => [
  filesCheck(outputs),
  reportCheck(outputs),
  verifyCheck(outputs),
]

/** One line that says how a runbook ended, and whether that can be believed. */
export const headlineOf = (outputs: RunbookOutputs): string => {
  const { success, failure_reason: reason, verification } = outputs
  if (success !== true) return reason ? `Failed: ${reason.replaceAll('_', ' ')}` : 'It did not succeed'
  if (!verification?.passed) return 'Completed; nobody verified it'
  const { kind, repair_rounds: repairs } = verification
  return `Verified by ${kind}${repairs > 0 ? ` after ${repairs} ${repairs === 1 ? 'repair' : 'repairs'}` : ''}`
}

const mostStages = 50

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The stages of the report that an agent wrote about its own work; what has no name is left out. */
export const reportStages = ({ validation_report: report }: RunbookOutputs): ResultCheck[] => {
  const stages = Array.isArray(report?.stages) ? report.stages.slice(0, mostStages) : []
  return stages.filter(isRecord).flatMap(({ name, passed, message }): ResultCheck[] => {
    if (typeof name !== 'string' || name === '') return []
    const state = passed === true ? 'passed' : passed === false ? 'failed' : 'none'
    return [{ name, state, text: typeof message === 'string' ? message : '' }]
  })
}

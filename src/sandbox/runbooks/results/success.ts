import { byteSize } from '../../../lib/settings/byte-size.ts'
import type { RunbookFailure, Verification } from '../../../model/runbooks/runbook-run.ts'
import type { AgentReport } from '../../agents/agent.ts'
import type { GatewayUsage } from '../../gateway/sandbox-gateway.ts'
import type { SandboxExit, SandboxLimits } from '../../isolation/sandbox.ts'
import { type DeclaredFile, type DeclaredFiles, matchesOf, reportName } from '../format/declared-files.ts'
import { listed } from '../preflight/checks.ts'

/** A file in the results folder; `size` in bytes. */
export interface FoundFile {
  path: string
  size: number
}

/** The agent's own report; `problem` when it cannot be read. */
export type FoundReport = { value: Record<string, unknown> } | { problem: string } | undefined

/** All facts that decide about success. */
export interface RunFacts {
  exit: SandboxExit
  /** Killed after too long without output. */
  isStalled: boolean
  agent: AgentReport
  /** The end of its standard error. */
  stderr: string
  usage: Pick<GatewayUsage, 'answered' | 'lastFailure' | 'exceeded'>
  declared: DeclaredFiles
  files: readonly FoundFile[]
  /** Files not stored, with reasons; a declared file may be among them. */
  notKept: readonly { path: string; message: string }[]
  report: FoundReport
  limits: SandboxLimits
  timeoutSeconds: number
  idleSeconds: number
}

export interface Failure {
  reason: RunbookFailure
  message: string
  hint?: string
}

const failure = (reason: RunbookFailure, message: string, hint?: string): Failure => ({
  reason,
  message,
  ...(hint === undefined ? {} : { hint }),
})

const longestQuote = 600

const quoted = (text: string, from: 'start' | 'end' = 'start'): string => {
  const trimmed = text.trim()
  if (trimmed.length <= longestQuote) return trimmed
  return from === 'start' ? `${trimmed.slice(0, longestQuote)}…` : `…${trimmed.slice(-longestQuote)}`
}

const saidBy = ({ text, error }: AgentReport): string => {
  const words = text.trim() || error?.trim() || ''
  return words === '' ? 'the agent wrote no message' : `the agent wrote: ${quoted(words)}`
}

/** The agent exited by itself with code 0, reported completion, and no error. */
const isDone = ({ exit, agent }: RunFacts): boolean =>
  exit.reason === 'exit' && exit.code === 0 && agent.isDone && agent.error === undefined

/** Failure when the process did not exit by itself. */
const ofProcess = ({ exit, isStalled, limits, timeoutSeconds, idleSeconds, agent }: RunFacts): Failure | undefined => {
  if (isStalled) {
    const hint = 'Raise JETTY_RUNBOOK_IDLE_SECONDS if the agent needs longer between two steps.'
    return failure(
      'stalled',
      `The agent was idle for ${idleSeconds} s, without output or network traffic; ${saidBy(agent)}`,
      hint,
    )
  }
  switch (exit.reason) {
    case 'cancelled':
      return failure('cancelled', 'The run was cancelled while the agent worked')
    case 'lost':
      return failure('not_started', `The sandbox was lost${exit.signal ? ` (${exit.signal})` : ''}; ${saidBy(agent)}`)
    case 'timed_out':
      return failure(
        'timed_out',
        `timed out after ${timeoutSeconds} s; ${saidBy(agent)}`,
        'Raise timeout_sec, or split the work.',
      )
    case 'out_of_memory': {
      const hint = 'Raise memory, or let the agent process smaller pieces.'
      return failure('out_of_memory', `The agent exceeded its memory limit of ${byteSize(limits.memoryBytes)}`, hint)
    }
    case 'disk_full': {
      const most = `${byteSize(limits.diskBytes)} or ${limits.diskFiles} files`
      const hint =
        'Let the agent delete files, raise JETTY_SANDBOX_DISK_BYTES or JETTY_SANDBOX_FILES, or free space on the disk of the sandboxes.'
      return failure('disk_full', `The agent wrote more than ${most}, or the disk of this machine is full`, hint)
    }
    case 'output_limit': {
      const hint = 'Let the agent print less, or raise JETTY_SANDBOX_OUTPUT_BYTES.'
      return failure('output_limit', `The agent printed more than ${byteSize(limits.outputBytes)}`, hint)
    }
    case 'exit':
      return undefined
  }
}

/** Failure by lack of means: limits it hit, or models that did not answer. */
const ofMeans = (facts: RunFacts): Failure | undefined => {
  const { exit, usage, limits, agent } = facts
  if (!isDone(facts) && (exit.refusedProcesses ?? 0) > 0) {
    const found = `The agent reached its limit of ${limits.pids} processes ${exit.refusedProcesses} times; ${saidBy(agent)}`
    return failure('process_limit', found, 'Let the agent start fewer processes at once, or raise JETTY_SANDBOX_PIDS.')
  }
  if (!isDone(facts) && usage.exceeded) {
    const setting = { calls: 'JETTY_RUNBOOK_CALLS', tokens: 'JETTY_RUNBOOK_TOKENS', usd: 'JETTY_RUNBOOK_USD' }[
      usage.exceeded
    ]
    const what = { calls: 'model calls', tokens: 'tokens', usd: 'US dollars' }[usage.exceeded]
    return failure(
      'budget_exceeded',
      `The limit of ${what} is used up; ${saidBy(agent)}`,
      `Raise ${setting}, or split the work.`,
    )
  }
  if (usage.lastFailure && (usage.answered === 0 || !isDone(facts))) {
    const { status, code, message } = usage.lastFailure
    const kind = code === 'budget_exceeded' ? 'budget_exceeded' : 'model_failed'
    return failure(kind, `The model did not answer (${status ?? code}): ${quoted(message)}`, modelHint(status, code))
  }
  if (usage.answered > 0) return undefined
  const code = exit.code === 0 ? '' : ` It ended with exit code ${exit.code}${endOf(facts)}`
  return failure('no_model_call', `The agent ended without a successful model call; ${saidBy(agent)}${code}`)
}

const modelHint = (status: number | null, code: string): string | undefined => {
  if (code === 'address_refused') return 'To allow the address, add it to JETTY_ALLOW_PRIVATE_NETWORK.'
  if (status === 401 || status === 403) return 'Check the key and its permissions.'
  if (status === 404) return 'Check the model name: the provider does not know it.'
  if (status === 429) return 'The provider rate-limits this key; wait, or use another key.'
  return undefined
}

const endOf = ({ stderr }: RunFacts): string => (stderr.trim() === '' ? '' : `: ${quoted(stderr, 'end')}`)

/** Failure that the agent reports. */
const ofAgent = (facts: RunFacts): Failure | undefined => {
  const { exit, agent } = facts
  if (exit.code !== 0) {
    const how = exit.code === null ? `was ended by ${exit.signal ?? 'a signal'}` : `ended with exit code ${exit.code}`
    return failure(
      'agent_failed',
      `The agent ${how}; ${agent.error ? quoted(agent.error) : saidBy(agent)}${endOf(facts)}`,
    )
  }
  if (agent.error !== undefined) return failure('agent_failed', `The agent ended with an error: ${quoted(agent.error)}`)
  if (!agent.isDone) {
    return failure('agent_unfinished', `The agent ended without reporting completion; ${saidBy(agent)}${endOf(facts)}`)
  }
  if (agent.denied > 0) {
    return failure('permission_denied', `${agent.denied} tool calls of the agent were denied; ${saidBy(agent)}`)
  }
  return undefined
}

const nameOf = ({ paths, by }: DeclaredFile): string =>
  `results/${paths.join(' or ')} (${by === 'manifest' ? 'the table of output files' : by})`

/** Failure in the results compared with the declarations. */
export const ofFiles = ({
  declared,
  files,
  notKept,
  agent,
}: Pick<RunFacts, 'declared' | 'files' | 'notKept' | 'agent'>): Failure | undefined => {
  const all = [...declared.primary, ...declared.manifest]
  const wanted = all.filter(({ paths }) => !paths.includes(reportName))
  const looked = wanted.map((file) => ({ file, found: matchesOf(file, files) }))
  const missing = [...new Set(looked.filter(({ found }) => found.length === 0).map(({ file }) => nameOf(file)))]
  if (missing.length > 0) {
    const why = wanted.flatMap((file) => matchesOf(file, notKept)).map(({ message }) => message)
    const because = why.length > 0 ? ` (${listed([...new Set(why)], 5)})` : ''
    const are = missing.length === 1 ? 'is declared but missing' : 'are declared but missing'
    return failure('missing_files', `${listed(missing)} ${are}${because}; ${saidBy(agent)}`)
  }
  const empty = [
    ...new Set(looked.filter(({ found }) => found.every(({ size }) => size === 0)).map(({ file }) => nameOf(file))),
  ]
  if (empty.length > 0)
    return failure('empty_files', `${listed(empty)} ${empty.length === 1 ? 'is' : 'are'} empty; ${saidBy(agent)}`)
  if (all.length === 0 && !files.some(({ size }) => size > 0)) {
    const hint = 'Name the required output files in {{results_dir}} in the runbook.'
    return failure('no_results', `The results folder has no file with content; ${saidBy(agent)}`, hint)
  }
  return undefined
}

const saysNo = (value: unknown): boolean =>
  value === false || (typeof value === 'string' && /^(false|no|fail(ed)?)$/i.test(value.trim()))

/** Failure in the agent's own report, which can only make the verdict worse. */
const ofReport = ({ declared, report, agent }: RunFacts): Failure | undefined => {
  const isDeclared = [...declared.primary, ...declared.manifest].some(({ paths }) => paths.includes(reportName))
  if (report === undefined) {
    if (!isDeclared) return undefined
    return failure('report_invalid', `results/${reportName} is declared but missing; ${saidBy(agent)}`)
  }
  if ('problem' in report) return failure('report_invalid', `results/${reportName} cannot be read: ${report.problem}`)
  if (!saysNo(report.value.overall_passed)) return undefined
  return failure(
    'report_failed',
    `results/${reportName} says overall_passed: false${failedStages(report.value.stages)}`,
  )
}

const failedStages = (stages: unknown): string => {
  if (!Array.isArray(stages)) return ''
  const names = stages.flatMap((stage: unknown) => {
    if (typeof stage !== 'object' || stage === null) return []
    const { name, stage: other, passed, message } = stage as Record<string, unknown>
    if (!saysNo(passed)) return []
    return [
      quoted(`${name ?? other ?? 'a stage'}${message === undefined ? '' : ` (${String(message)})`}`).slice(0, 200),
    ]
  })
  return names.length === 0 ? '' : `; not passed: ${listed(names, 5)}`
}

/**
 * Why a runbook failed, by the first applicable reason of `runbookFailures`; undefined when it succeeded, except for an
 * independent check.
 */
export const failureOf = (facts: RunFacts): Failure | undefined =>
  ofProcess(facts) ?? ofMeans(facts) ?? ofAgent(facts) ?? ofFiles(facts) ?? ofReport(facts)

/** Whether the agent can repair the failure: it finished its work, but the results are not as required. */
export const isMendable = ({ reason }: Failure): boolean =>
  ['missing_files', 'empty_files', 'no_results', 'report_invalid', 'report_failed', 'verify_failed'].includes(reason)

/** Failure when the independent check did not pass. */
export const verificationFailure = (verification: Verification): Failure => {
  const { kind, exit_code, score, output, repair_rounds } = verification
  const how =
    kind === 'judge' ? `the judge gave ${score}` : exit_code === null ? 'it did not end' : `exit code ${exit_code}`
  const rounds = repair_rounds === 0 ? '' : ` after ${repair_rounds} repair round${repair_rounds === 1 ? '' : 's'}`
  const said = output.trim() === '' ? '' : `: ${quoted(output, kind === 'judge' ? 'start' : 'end')}`
  return failure('verify_failed', `The independent check did not pass${rounds} (${how})${said}`)
}

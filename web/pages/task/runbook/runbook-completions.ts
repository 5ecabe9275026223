import type { RunbookFrontMatter } from '../../../../src/model/runbooks/runbook.ts'
import type { RunbookAgent } from '../../../../src/model/runbooks/runbook-agents.ts'

/** Something to complete a text with. */
interface RunbookCompletion {
  label: string
  detail?: string
  /** What is written instead of the label. */
  apply?: string
}

/** The completions for a place in a runbook, and where the word begins that they replace. */
interface RunbookCompletions {
  from: number
  options: RunbookCompletion[]
}

type KnownKey = Exclude<keyof { [Key in keyof RunbookFrontMatter as string extends Key ? never : Key]: 0 }, 'origin'>

const keys: Record<KnownKey, string> = {
  version: 'of the runbook, such as 1.0.0',
  evaluation: 'programmatic or rubric',
  agent: 'who carries it out',
  model: "by its provider's name",
  model_provider: 'anthropic, openrouter, openai, google, bedrock',
  snapshot: 'programs that the agent finds',
  image: 'of a container',
  timeout_sec: '1200 by default',
  cpus: '4 by default',
  memory: '8G by default',
  network_enabled: 'false: the model only',
  allowed_hosts: 'the only hosts it reaches',
  secrets: 'variables that it is given',
  primary_outputs: 'the result that is shown first',
  verify: 'the check that decides',
}

const values: Partial<Record<string, readonly string[]>> = {
  agent: ['claude-code', 'codex', 'gemini-cli', 'opencode', 'scripted'] satisfies RunbookAgent[],
  evaluation: ['programmatic', 'rubric'],
  model_provider: ['anthropic', 'openrouter', 'openai', 'google', 'bedrock'],
  network_enabled: ['true', 'false'],
}

/** Whether a place is between the lines that enclose the front matter. */
const isInFrontMatter = (before: string): boolean => /^---[ \t]*\n/.test(before) && !/\n---[ \t]*\n/.test(before)

/** What a runbook can go on with at a place: its parameters within `{{`, keys and values in its front matter. */
export const runbookCompletions = (text: string, at: number, parameters: readonly string[]): RunbookCompletions => {
  const before = text.slice(0, at)
  const line = before.slice(before.lastIndexOf('\n') + 1)
  const name = /\{\{\s*([\w.-]*)$/.exec(line)?.[1]
  if (name !== undefined) {
    const end = text.startsWith('}}', at) ? '' : '}}'
    const names = [...new Set(['results_dir', ...parameters])]
    return { from: at - name.length, options: names.map((label) => ({ label, apply: label + end })) }
  }
  if (!isInFrontMatter(before)) return { from: at, options: [] }
  const [, key = '', value = ''] = /^([\w-]+):\s+(\S*)$/.exec(line) ?? []
  if (key !== '') return { from: at - value.length, options: (values[key] ?? []).map((label) => ({ label })) }
  if (!/^[\w-]*$/.test(line)) return { from: at, options: [] }
  const options = Object.entries(keys).map(([label, detail]) => ({ label, detail, apply: `${label}: ` }))
  return { from: at - line.length, options }
}

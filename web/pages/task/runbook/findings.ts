import type { RunbookVerdict } from '../../../../src/model/runbooks/runbook.ts'
import type { RunbookPreflight } from '../../../../src/model/runbooks/runbook-request.ts'
import type { LineColumn } from '../../../parts/editor/text-span.ts'

/** Something to mend in a runbook, or in what a run of it needs. */
export interface EditorFinding {
  severity: 'error' | 'warning'
  message: string
  /** What to write instead, or to do. */
  fix: string | null
  /** Where it stands in the text; undefined: it is no matter of the text. */
  place: LineColumn | undefined
  /** Rule of the format, such as `V2`, or what was checked. */
  rule: string
  /** Field of the run that it is about. */
  field: string | null
}

const longestFrontMatter = 200

/** Where a key of the front matter stands. */
export const frontMatterPlace = (text: string, key: string): LineColumn | undefined => {
  const lines = text.split('\n', longestFrontMatter)
  if (lines[0]?.trim() !== '---') return undefined
  for (const [at, line] of lines.entries()) {
    if (at > 0 && line.trim() === '---') return undefined
    if (line.startsWith(key) && /^\s*:/.test(line.slice(key.length))) return { line: at + 1, column: 1 }
  }
  return undefined
}

const inText = (list: RunbookVerdict['errors'], severity: EditorFinding['severity']): EditorFinding[] =>
  list.map(({ line, column, rule, message, fix }) => ({
    severity,
    message,
    fix,
    place: { line, column },
    rule,
    field: null,
  }))

/** A preflight repeats the faults of the text, which the validation tells with their places. */
const isRepeated = ({ name, state }: RunbookPreflight['checks'][number]): boolean =>
  name === 'runbook' && state === 'failed'

/** What is to mend, errors first; what is about the text, with its place there. */
export const findingsOf = (
  text: string,
  verdict: RunbookVerdict | undefined,
  preflight: Pick<RunbookPreflight, 'checks'> | undefined,
): EditorFinding[] => {
  const checks = (preflight?.checks ?? []).filter((check) => check.state !== 'ok' && !isRepeated(check))
  const errors = inText(verdict?.errors ?? [], 'error')
  const found: EditorFinding[] = [
    ...errors,
    ...checks.map(
      ({ name, state, found: message, fix, field }): EditorFinding => ({
        severity: state === 'failed' ? 'error' : 'warning',
        message,
        fix,
        place: frontMatterPlace(text, field ?? name),
        rule: name,
        field,
      }),
    ),
    ...inText(verdict?.warnings ?? [], 'warning'),
  ]
  // What the text is wrong about is told once, with its rule.
  const lines = new Set(errors.map(({ place }) => place?.line))
  const isTold = (one: EditorFinding) =>
    !errors.includes(one) && one.severity === 'error' && lines.has(one.place?.line ?? 0)
  return found.filter((one) => !isTold(one)).sort((one, other) => one.severity.localeCompare(other.severity))
}

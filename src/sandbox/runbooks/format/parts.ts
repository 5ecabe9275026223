import type { RunbookFinding } from '../../../model/runbooks/runbook.ts'
import type { EvaluationKind } from '../../../model/runbooks/runbook-evaluation.ts'
import type { Position } from './positions.ts'
import { type Runbook, topicOf } from './runbook.ts'
import type { Section, SectionTable } from './sections.ts'

/**
 * Severity of a finding. `wrong`: the runbook cannot be executed as written. `missing`: it can, but lacks a part of the
 * strict format. `advice`: worth a look.
 */
type Weight = 'wrong' | 'missing' | 'advice'

export type Finding = RunbookFinding & { weight: Weight }

export interface Rule {
  name: string
  weight: Weight
  look(runbook: Runbook): (Position & { message: string; fix: string })[]
}

const top: Position = { line: 1, column: 1 }

export const found = (position: Position, message: string, fix: string) => [
  { line: position.line, column: position.column, message, fix },
]

export const absent = (isThere: boolean, message: string, fix: string, position = top) =>
  isThere ? [] : found(position, message, fix)

export const fieldAt = ({ frontMatter }: Runbook, ...path: string[]): Position =>
  frontMatter?.positionOf(...path) ?? top

export const joinedByOr = (names: readonly string[]): string => `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`

/** Kind of an evaluation table: statuses (programmatic), or criteria with scores (rubric). */
const evaluationKindOf = ({ header }: SectionTable): EvaluationKind | undefined => {
  const has = (pattern: RegExp) => header.some((name) => pattern.test(name))
  const scores = header.filter((name) => /^(score\s+)?\d+\b/.test(name)).length
  if (!has(/^(criteri(a|on)|dimension)s?\b/)) return undefined
  if (has(/^(status|verdict)\b/)) return 'programmatic'
  return scores >= 2 || has(/^(weight|points|max(imum)? (score|points)|scale|what \d)\b/) ? 'rubric' : undefined
}

/** Lists the evaluation tables of a runbook from top to bottom: the kind of each, and the position of its section. */
export const evaluationKindsOf = ({ sections }: Runbook): (Position & { kind: EvaluationKind })[] =>
  sections.flatMap((section) =>
    section.tables.flatMap((table) => {
      const kind = evaluationKindOf(table)
      return kind ? [{ kind, line: section.line, column: section.column }] : []
    }),
  )

const isEvaluationTable = (table: SectionTable): boolean => evaluationKindOf(table) !== undefined

/** A table of possible faults and fixes: following it means that the results were examined. */
const isTableOfFixes = ({ header }: SectionTable): boolean =>
  header.some((name) => /\b(issue|problem|error|criterion)s?\b/.test(name)) &&
  header.some((name) => /^(fix(es)?|solution|action)s?\b/.test(name))

const evaluating =
  /\b(evaluat\w*|rubrics?|verif\w*|validat\w*|quality|acceptance|assess\w*|score|scoring|grad(e|ing))\b/

/** Finds the section that says how results are judged: by its table, its heading, or its table of faults. */
export const evaluationOf = ({ sections }: Runbook): Section | undefined =>
  sections.find((section) => section.tables.some(isEvaluationTable)) ??
  sections.find((section) => section.depth > 1 && evaluating.test(topicOf(section))) ??
  sections.find((section) => section.tables.some(isTableOfFixes))

export const finalChecklistOf = ({ sections }: Runbook): Section | undefined =>
  sections.find((section) => /^final\b.*\bchecklist\b/.test(topicOf(section))) ??
  sections.find((section) => /\bchecklist\b/.test(topicOf(section)))

const scriptLanguages = /^(sh|bash|shell|zsh|python3?|py|js|javascript|node)\b/i

/** Whether there is a script in the checklist, in a section below it, or under a heading about verification. */
export const hasVerificationScript = (runbook: Runbook): boolean => {
  const { sections } = runbook
  const checklist = finalChecklistOf(runbook)
  const from = checklist ? sections.indexOf(checklist) : -1
  const below = checklist ? sections.slice(from + 1).findIndex((section) => section.depth <= checklist.depth) : -1
  const inChecklist = checklist ? sections.slice(from, below < 0 ? undefined : from + 1 + below) : []
  const named = sections.filter((section) => /\b(verif\w*|validat\w*)\b/.test(topicOf(section)))
  return [...inChecklist, ...named].some(({ code }) => code.some(({ language }) => scriptLanguages.test(language)))
}

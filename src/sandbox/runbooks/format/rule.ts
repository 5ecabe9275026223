import type { RunbookFinding } from '../../../model/runbooks/runbook.ts'
import type { Position } from './positions.ts'
import type { Runbook } from './runbook.ts'

/**
 * Severity of a finding. `wrong`: the runbook cannot be executed as written. `missing`: it can, but lacks a part of the
 * strict format. `advice`: worth a look.
 */
export type Weight = 'wrong' | 'missing' | 'advice'

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

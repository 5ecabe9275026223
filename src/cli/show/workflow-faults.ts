import pc from 'picocolors'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import type { TextPlace } from '../input/yaml-document.ts'
import { cliWords } from './cli-words.ts'
import { safe } from './output.ts'

/** A fault and its position in the file. */
export type PlacedFault = WorkflowFault & TextPlace

/** Formats a fault in the form that editors recognize: `file:line:column: severity: message`. */
const faultLine = (file: string, fault: PlacedFault): string => {
  const { line, column, severity, message, did_you_mean: meant } = fault
  const instead = meant === null || message.includes(meant) ? '' : `; did you mean '${meant}'?`
  const paint = severity === 'error' ? pc.red : pc.yellow
  return `${safe(file)}:${line}:${column}: ${paint(`${severity}:`)} ${safe(message + instead)}`
}

/** Formats faults line by line. What to do about an error follows it, once, unless its line names what was meant. */
export const faultLines = (file: string, faults: readonly PlacedFault[]): string[] => {
  const told = new Set<string>()
  return faults.flatMap((fault) => {
    const hint = fault.severity === 'error' && fault.did_you_mean === null ? cliWords(fault.hint ?? '') : ''
    const isNew = hint !== '' && !told.has(hint)
    told.add(hint)
    return [faultLine(file, fault), ...(isNew ? [`  ${safe(hint)}`] : [])]
  })
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** Counts faults by severity, such as `2 errors, 1 warning`. */
export const faultCount = (faults: readonly WorkflowFault[]): string => {
  const errors = faults.filter(({ severity }) => severity === 'error').length
  const parts = [counted(errors, 'error'), counted(faults.length - errors, 'warning')]
  return parts.filter((part) => !part.startsWith('0 ')).join(', ')
}

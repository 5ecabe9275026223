import { messageOf } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { type CroissantFinding, maxFindings } from './check.ts'
import { validateCroissant } from './validate.ts'

/** A step of a validation, in the form that clients of the reference service read. */
interface ValidationStep {
  name: string
  passed: boolean
  message: string
  details: string | null
}

/** The report about a Croissant file. Without errors it has passed. */
interface CroissantReport {
  filename: string
  overall_passed: boolean
  steps: ValidationStep[]
  json_reference: unknown
  errors: CroissantFinding[]
  warnings: CroissantFinding[]
}

const step = (name: string, passed: boolean, message: string, details: string | null = null): ValidationStep => ({
  name,
  passed,
  message,
  details,
})

/** The report about a file that could not be read to its end. */
const failed = (filename: string, reference: string, fault: Pick<CroissantFinding, 'rule' | 'message' | 'fix'>) => {
  const errors: CroissantFinding[] = [{ ...fault, pointer: '', node: null, severity: 'error' }]
  const steps = fault.rule === 'json' ? [step('JSON Validation', false, fault.message)] : [schemaStep(errors, [])]
  return { filename, overall_passed: false, steps, json_reference: reference, errors, warnings: [] }
}

const notJson = (filename: string, reason: string): CroissantReport =>
  failed(filename, 'JSON could not be parsed, reference omitted', {
    rule: 'json',
    message: `Invalid JSON format: ${reason}`,
    fix: 'Send a Croissant file: a JSON object in UTF-8.',
  })

/** The report about a file whose validation did not end within what it may use. */
export const tooLongReport = (filename: string, allowed: string): CroissantReport =>
  failed(filename, 'The validation did not end, reference omitted', {
    rule: 'limit',
    message: `The file cannot be validated within ${allowed}`,
    fix: 'Make the document smaller: fewer references, fewer nodes, and no nested "@context".',
  })

/** Validates the content of a file: first as JSON, then as Croissant. It stops at the first step that fails. */
export const reportCroissant = (filename: string, bytes: Uint8Array): CroissantReport => {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return notJson(filename, 'the file is not UTF-8 text')
  }
  if (isDeeperThan(text, maxJsonDepth)) {
    return notJson(filename, `objects and lists are nested more than ${maxJsonDepth} deep`)
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    return notJson(filename, messageOf(error))
  }
  if (!isObject(document)) return notJson(filename, 'the file is not a JSON object')
  const findings = validateCroissant(document)
  const errors = findings.filter(({ severity }) => severity === 'error')
  const warnings = findings.filter(({ severity }) => severity === 'warning')
  const steps = [step('JSON Validation', true, 'The file is valid JSON.'), schemaStep(errors, warnings)]
  if (errors.length === 0) steps.push(recordsStep(document))
  return { filename, overall_passed: errors.length === 0, steps, json_reference: document, errors, warnings }
}

const listed = (what: string, findings: readonly CroissantFinding[], more = ''): string => {
  const lines = findings.map(({ node, message }) => `  -  ${node === null ? '' : `[${node}] `}${message}`)
  return `Found the following ${findings.length}${more} ${what}(s) during the validation:\n${lines.join('\n')}`
}

const schemaStep = (errors: readonly CroissantFinding[], warnings: readonly CroissantFinding[]): ValidationStep => {
  const name = 'Croissant Schema Validation'
  const advice = warnings.length > 0 ? listed('warning', warnings) : null
  if (errors.length === 0) return step(name, true, 'The dataset passes Croissant validation.', advice)
  const more = errors.length + warnings.length >= maxFindings ? ' or more' : ''
  return step(name, false, `Validation failed: ${listed('error', errors, more)}`, advice)
}

/** Records are not read: they are on other servers, which a validation does not call. */
const recordsStep = (document: object): ValidationStep => {
  const hasRecordSets = Object.keys(document).some((key) => key.endsWith('recordSet'))
  const unread = 'The records were not generated: the files are not on this server.'
  return step('Records Generation Validation', true, hasRecordSets ? unread : 'No record sets found to validate.')
}

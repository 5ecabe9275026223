import { parsedObject } from '../../lib/json/json-object.ts'
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

const notJson = (filename: string, reason: string): CroissantReport => ({
  filename,
  overall_passed: false,
  steps: [step('JSON Validation', false, `Invalid JSON format: ${reason}`)],
  json_reference: 'JSON could not be parsed, reference omitted',
  errors: [
    {
      pointer: '',
      node: null,
      rule: 'json',
      severity: 'error',
      message: `Invalid JSON format: ${reason}`,
      fix: 'Send a Croissant file: a JSON object in UTF-8.',
    },
  ],
  warnings: [],
})

/** The report about a file whose validation did not end within what it may use. */
export const tooLongReport = (filename: string, allowed: string): CroissantReport => {
  const finding: CroissantFinding = {
    pointer: '',
    node: null,
    rule: 'limit',
    severity: 'error',
    message: `The file cannot be validated within ${allowed}`,
    fix: 'Make the document smaller: fewer references, fewer nodes, and no nested "@context".',
  }
  return {
    filename,
    overall_passed: false,
    steps: [schemaStep([finding], [])],
    json_reference: 'The validation did not end, reference omitted',
    errors: [finding],
    warnings: [],
  }
}

const parse = (text: string): { reason: string } | undefined => {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return { reason: error instanceof Error ? error.message : 'cannot be parsed' }
  }
}

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
  const document = parsedObject(text)
  if (!document) return notJson(filename, parse(text)?.reason ?? 'the file is not a JSON object')
  const findings = validateCroissant(document)
  const errors = findings.filter(({ severity }) => severity === 'error')
  const warnings = findings.filter(({ severity }) => severity === 'warning')
  const steps = [step('JSON Validation', true, 'The file is valid JSON.'), schemaStep(errors, warnings)]
  if (errors.length === 0) steps.push(recordsStep(document))
  return { filename, overall_passed: errors.length === 0, steps, json_reference: document, errors, warnings }
}

const listed = (findings: readonly CroissantFinding[]): string =>
  findings.map(({ node, message }) => `  -  ${node === null ? '' : `[${node}] `}${message}`).join('\n')

const schemaStep = (errors: readonly CroissantFinding[], warnings: readonly CroissantFinding[]): ValidationStep => {
  const name = 'Croissant Schema Validation'
  const advice =
    warnings.length > 0
      ? `Found the following ${warnings.length} warning(s) during the validation:\n${listed(warnings)}`
      : null
  if (errors.length === 0) return step(name, true, 'The dataset passes Croissant validation.', advice)
  const count = errors.length + (errors.length + warnings.length >= maxFindings ? ' or more' : '')
  const message = `Validation failed: Found the following ${count} error(s) during the validation:\n${listed(errors)}`
  return step(name, false, message, advice)
}

/** Records are not read: they are on other servers, which a validation does not call. */
const recordsStep = (document: object): ValidationStep => {
  const name = 'Records Generation Validation'
  const hasRecordSets = Object.keys(document).some((key) => /recordSet$/.test(key))
  if (!hasRecordSets) return step(name, true, 'No record sets found to validate.')
  return step(name, true, 'The records were not generated: the files are not on this server.')
}

import { expect, it } from 'vitest'
import { verdicts } from '../../../test/croissant/verdicts.ts'
import { validateCroissant } from './validate.ts'

it.each(verdicts().map((verdict) => [verdict.name, verdict] as const))('%s', (_name, verdict) => {
  const { document, valid, rule, warning, why } = verdict
  const findings = validateCroissant(JSON.parse(JSON.stringify(document)))
  const errors = findings.filter(({ severity }) => severity === 'error')
  expect({ why, valid: errors.length === 0, errors: valid ? errors : [] }).toEqual({ why, valid, errors: [] })
  if (rule) expect(errors.map((error) => error.rule)).toContain(rule)
  if (warning) expect(findings.map((finding) => finding.rule)).toContain(warning)
  for (const { message, fix, pointer } of findings) {
    expect(message).toMatch(/\S/)
    expect(fix).toMatch(/^[A-Z].*\.$/)
    expect(pointer).toMatch(/^(\/.*)?$/s)
  }
})

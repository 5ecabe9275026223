import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exampleDocument } from '../../../test/croissant/example-document.ts'
import { faults } from '../../../test/croissant/faults.ts'
import { harmless } from '../../../test/croissant/harmless.ts'
import type { JsonObject } from '../../lib/json/json-object.ts'
import { validateCroissant } from './validate.ts'

const errorsOf = (document: JsonObject) =>
  validateCroissant(structuredClone(document)).filter(({ severity }) => severity === 'error')

const changes = fc.uniqueArray(fc.constantFrom(...Object.keys(harmless)), { maxLength: 4 })
const isLate = new Set(['full names of terms', 'keys in another order'])
const versions = fc.constantFrom('1.0' as const, '1.1' as const)

describe('a valid document', () => {
  it.each(['1.0', '1.1'] as const)('of version %s has no finding', (version) => {
    expect(validateCroissant(exampleDocument(version))).toEqual([])
  })

  it('stays valid over changes that no rule forbids', () => {
    const check = (version: '1.0' | '1.1', names: string[]) => {
      const document = exampleDocument(version)
      for (const name of names) harmless[name]?.(document)
      expect(errorsOf(document)).toEqual([])
    }
    fc.assert(fc.property(versions, changes, check), { numRuns: 500 })
  })
})

describe('a broken document', () => {
  it('stays broken over changes that no rule forbids', () => {
    const check = (version: '1.0' | '1.1', names: string[], fault: (typeof faults)[number]) => {
      const document = exampleDocument(version)
      // Other keys and orders come after the fault, which could not find its place; creators are its place.
      const late = names.filter((name) => isLate.has(name))
      const early = names.filter((name) => !isLate.has(name) && !name.includes('creator'))
      for (const name of early) harmless[name]?.(document)
      fault.apply(document)
      for (const name of late) harmless[name]?.(document)
      expect(errorsOf(document).length).toBeGreaterThan(0)
    }
    fc.assert(fc.property(versions, changes, fc.constantFrom(...faults), check), { numRuns: 1500 })
  })
})

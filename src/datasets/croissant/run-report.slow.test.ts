import { expect, it } from 'vitest'
import { exampleDocument } from '../../../test/croissant/example-document.ts'
import { makeCroissantReporter } from './run-report.ts'

const memoryBytes = 256 * 1024 * 1024
const reporter = (seconds: number) => {
  const report = makeCroissantReporter({ seconds, memoryBytes })
  return async (document: unknown) =>
    JSON.parse(await report({ filename: 'a.json', bytes: Buffer.from(JSON.stringify(document)) }))
}

/** Fields in levels, each with all fields of the next level in it: every path through them is another field to check. */
const branching = () => {
  const levels = Array.from({ length: 12 }, (_, level) => Array.from({ length: 12 }, (__, at) => `f${level}.${at}`))
  const field = levels.flatMap((ids, level) =>
    ids.map((id) => ({
      ...{ '@id': id, '@type': 'cr:Field', dataType: 'sc:Text' },
      subField: (levels[level + 1] ?? []).map((inside) => ({ '@id': inside })),
    })),
  )
  return { ...exampleDocument(), recordSet: { '@id': 'r', '@type': 'cr:RecordSet', field } }
}

it('validates files in a process of its own, which is kept', async () => {
  const report = reporter(30)
  for (let at = 0; at < 3; at++) {
    expect(await report(exampleDocument())).toMatchObject({ filename: 'a.json', overall_passed: true, errors: [] })
  }
})

it('gives a small document up that would take hours, and says so', async () => {
  expect(JSON.stringify(branching()).length).toBeLessThan(100_000)
  expect(await reporter(3)(branching())).toMatchObject({
    overall_passed: false,
    steps: [{ name: 'Croissant Schema Validation', passed: false, message: expect.stringContaining('within 3 s') }],
    errors: [{ rule: 'limit' }],
  })
})

// The process goes behind all others: where the cores are busy, it fills its memory slowly.
it('gives a document up that takes too much memory, and validates the next one', { timeout: 180_000 }, async () => {
  const report = reporter(60)
  const keys = Array.from({ length: 2_000 }, (_, at) => [`k${at}`, 1])
  const long = { '@context': { '@vocab': `https://${'a'.repeat(1_000_000)}` }, '@type': 'Dataset' }
  expect(await report({ ...long, ...Object.fromEntries(keys) })).toMatchObject({ errors: [{ rule: 'limit' }] })
  expect(await report(exampleDocument())).toMatchObject({ overall_passed: true })
})

import { expect, it } from 'vitest'
import { exampleDocument } from '../../test/croissant/example-document.ts'
import { runCroissantReport } from './run-report.ts'

const memoryBytes = 512 * 1024 * 1024
const report = async (document: unknown, seconds: number) =>
  JSON.parse(
    await runCroissantReport(
      { filename: 'a.json', bytes: Buffer.from(JSON.stringify(document)) },
      { seconds, memoryBytes },
    ),
  )

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

it('validates a file in a process of its own', async () => {
  expect(await report(exampleDocument(), 30)).toMatchObject({ filename: 'a.json', overall_passed: true, errors: [] })
})

it('gives a small document up that would take hours, and says so', async () => {
  expect(JSON.stringify(branching()).length).toBeLessThan(100_000)
  expect(await report(branching(), 3)).toMatchObject({
    overall_passed: false,
    steps: [{ name: 'Croissant Schema Validation', passed: false, message: expect.stringContaining('within 3 s') }],
    errors: [{ rule: 'limit' }],
  })
})

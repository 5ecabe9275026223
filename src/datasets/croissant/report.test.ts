import { expect, it } from 'vitest'
import { exampleDocument } from '../../../test/croissant/example-document.ts'
import { reportCroissant } from './report.ts'

const report = (content: unknown) =>
  reportCroissant('metadata.json', Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)))

it('passes all steps for a valid file', () => {
  const document = exampleDocument()
  expect(report(document)).toEqual({
    filename: 'metadata.json',
    overall_passed: true,
    steps: [
      { name: 'JSON Validation', passed: true, message: 'The file is valid JSON.', details: null },
      {
        name: 'Croissant Schema Validation',
        passed: true,
        message: 'The dataset passes Croissant validation.',
        details: null,
      },
      {
        name: 'Records Generation Validation',
        passed: true,
        message: 'The records were not generated: the files are not on this server.',
        details: null,
      },
    ],
    json_reference: document,
    errors: [],
    warnings: [],
  })
})

it('stops at the schema, and names node, place and fix', () => {
  const document = { ...exampleDocument(), distribution: [] }
  const { steps, errors, overall_passed } = report(document)
  expect(overall_passed).toBe(false)
  expect(steps.map(({ name, passed }) => [name, passed])).toEqual([
    ['JSON Validation', true],
    ['Croissant Schema Validation', false],
  ])
  expect(steps[1]?.message).toMatch(
    /^Validation failed: Found the following \d+ error\(s\) during the validation:\n {2}- {2}\[/,
  )
  expect(errors[0]).toEqual({
    severity: 'error',
    pointer: '/recordSet/0/field/0/source/fileObject',
    node: 'Metadata(iris) > RecordSet(flowers)',
    rule: 'reference',
    message: 'There is a reference to node with UUID "flowers.csv" in node "flowers", but this node doesn\'t exist.',
    fix: 'Use the "@id" of a file, a file set or a field of this document.',
  })
})

it.each(['', '{', '[]', '5', 'null', '"text"', '{"a":1,}', '\ufeff'])('refuses %j as no JSON object', (text) => {
  expect(report(text)).toMatchObject({
    overall_passed: false,
    json_reference: 'JSON could not be parsed, reference omitted',
    steps: [{ name: 'JSON Validation', passed: false, message: expect.stringMatching(/^Invalid JSON format: /) }],
    errors: [{ rule: 'json' }],
  })
})

it('refuses what is not UTF-8', () => {
  expect(reportCroissant('x', new Uint8Array([0xff, 0xfe, 0x7b]))).toMatchObject({ overall_passed: false })
})

it('refuses what is nested so deeply that no report could show it', () => {
  const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`
  expect(JSON.stringify(report(deep))).toContain('Invalid JSON format: objects and lists are nested more than')
})

it('cuts names of any length in its messages', () => {
  const { errors } = report({ ...exampleDocument(), '@id': `a b${'c'.repeat(100_000)}` })
  expect(errors.map(({ rule }) => rule)).toContain('id')
  expect(Math.max(...errors.map(({ message, node }) => message.length + (node?.length ?? 0)))).toBeLessThan(5_000)
})

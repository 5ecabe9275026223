import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type ColumnType, exportCroissant } from './export.ts'
import { validateCroissant } from './validate.ts'

const hash = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'

it('describes files and the columns of tables', () => {
  const document = exportCroissant({
    name: 'Flowers',
    url: 'https://example.com/flowers',
    description: 'Where they grow',
    license: 'MIT',
    version: '1.0.0',
    citeAs: 'Anderson 1935',
    creator: 'Garden',
    published: new Date('2024-05-31T12:00:00Z'),
    files: [
      {
        name: 'my table.csv',
        url: 'https://example.com/1',
        mediaType: 'text/csv',
        bytes: 12,
        sha256: hash,
        columns: [{ name: 'petal length', type: 'number' }],
      },
    ],
  })
  expect(validateCroissant(document)).toEqual([])
  expect(document).toMatchObject({
    datePublished: '2024-05-31',
    distribution: [{ '@id': 'my_table.csv', contentSize: '12 B' }],
    recordSet: [
      {
        '@id': 'my_table.csv-records',
        field: [
          {
            '@id': 'my_table.csv-records/petal_length',
            dataType: 'sc:Float',
            source: { fileObject: { '@id': 'my_table.csv' }, extract: { column: 'petal length' } },
          },
        ],
      },
    ],
  })
})

it('writes only valid documents', () => {
  const types: ColumnType[] = ['text', 'integer', 'number', 'boolean', 'date', 'datetime']
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('', '..', 'a b', '@id', 'cr:x', '/', "it's"),
  )
  const file = fc.record({
    name: text,
    url: fc.webUrl(),
    mediaType: fc.constantFrom('text/csv', 'application/json', 'application/vnd.apache.parquet', ''),
    bytes: fc.nat(),
    sha256: fc.constant(hash),
    description: fc.option(text, { nil: undefined }),
    columns: fc.option(fc.array(fc.record({ name: text, type: fc.constantFrom(...types) }), { maxLength: 5 }), {
      nil: undefined,
    }),
  })
  const dataset = fc.record({
    name: text,
    url: fc.webUrl(),
    description: text,
    license: text,
    keywords: fc.array(text),
    files: fc.array(file, { maxLength: 4 }),
  })
  const check = (described: Parameters<typeof exportCroissant>[0]) => {
    const errors = validateCroissant(exportCroissant(described)).filter(({ severity }) => severity === 'error')
    expect(errors).toEqual([])
  }
  fc.assert(fc.property(dataset, check), { numRuns: 300 })
})

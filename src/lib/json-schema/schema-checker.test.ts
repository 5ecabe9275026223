import { describe, expect, it } from 'vitest'
import { makeSchemaChecker } from './schema-checker.ts'
import { uncheckedByChecker } from './schema-keywords.ts'

const much = 10_000_000
const said = async (schema: unknown, value: unknown) =>
  (await makeSchemaChecker(schema, much).issues(value))?.map(({ path, message }) =>
    `${path.join('.')} ${message}`.trim(),
  )

const tree = {
  $ref: '#/$defs/node',
  $defs: { node: { properties: { name: { type: 'string' }, below: { items: { $ref: '#/$defs/node' } } } } },
}

describe('pattern and $ref', () => {
  it.each([
    [{ pattern: '^[A-Z]{2}$' }, 'AB', []],
    [{ pattern: '^[A-Z]{2}$' }, 'A', ['must match the pattern "^[A-Z]{2}$", not be "A"']],
    [{ pattern: '^[A-Z]{2}$' }, 5, []],
    [{ properties: { a: { pattern: 'b' } } }, { a: 'c' }, ['a must match the pattern "b", not be "c"']],
    [{ anyOf: [{ pattern: '^a' }, { pattern: '^b' }] }, 'ca', ['fits none of its forms']],
    [{ pattern: '(?=a)b' }, 'c', []], // cannot be checked
    [{ pattern: '(' }, 'c', []],
    [tree, { name: 'a', below: [{ below: [{ name: 1 }] }] }, ['below.0.below.0.name must be string, not number']],
    [{ properties: { a: { $ref: '#' } }, required: ['b'] }, { b: 1, a: {} }, ['a.b is required']],
    [{ $ref: '#/$defs/a~1b%20c', $defs: { 'a/b c': { type: 'string' } } }, 1, ['must be string, not number']],
    [{ $ref: '#/$defs/no', $defs: { no: false } }, 1, ['is not allowed']],
    [{ $ref: '#/anyOf/1', anyOf: [{}, { type: 'string' }] }, 1, ['must be string, not number']],
    [{ $ref: '#/nothing' }, 1, []],
    [{ $ref: 'https://example.com/schema' }, 1, []],
    [{ $ref: '#/__proto__' }, 1, []],
  ])('%j on %j: %j', async (schema, value, issues) => {
    expect(await said(schema, value)).toEqual(issues)
  })
})

/** A small schema that checks a value ten thousand times. */
const repeatedly = (once: object) => {
  const times = (name: string) => Array(100).fill({ $ref: `#/$defs/${name}` })
  return { $defs: { once, often: { allOf: times('once') } }, allOf: times('often') }
}

describe('a hostile schema ends', () => {
  it('that refers to itself', async () => {
    expect(await said({ $ref: '#' }, 1)).toEqual([])
    expect(await said({ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }, 1)).toEqual(
      [],
    )
    const twice = { allOf: [{ $ref: '#' }, { $ref: '#' }] }
    expect(await said(twice, 1)).toBeUndefined()
  })

  it('whose values are deep, or long', async () => {
    let value: Record<string, unknown> = { name: 1 }
    for (let depth = 0; depth < 150; depth++) value = { below: [value] }
    expect(await said(tree, value)).toHaveLength(1)
    for (let depth = 0; depth < 2_000; depth++) value = { below: [value] }
    expect((await said(tree, value)) ?? 'the stack is full').toBeTruthy()
    expect(await said({ pattern: '^(a+)+$' }, `${'a'.repeat(100_000)}!`)).toHaveLength(1)
    expect(await said({ pattern: '^(.*a){100}$' }, 'a'.repeat(1_000_000))).toBeUndefined()
    expect(await said({ enum: Array(5_100_000).fill(0) }, 'x')).toBeUndefined()
  })

  it.each<[string, object, unknown]>([
    ['a long text that is measured', { minLength: 1 }, 'x'.repeat(1_000_000)],
    ['a large constant', { const: Array(20_000).fill([]) }, Array(20_000).fill([])],
    [
      'many properties',
      {
        properties: Object.fromEntries(
          Array(20_000)
            .fill(0)
            .map((_, at) => [at, true]),
        ),
      },
      {},
    ],
    [
      'many members',
      { additionalProperties: true },
      Object.fromEntries(
        Array(20_000)
          .fill(0)
          .map((_, at) => [at, 0]),
      ),
    ],
    ['a long list', { items: false }, Array(20_000).fill(0)],
    ['many forms', { anyOf: Array(20_000).fill(false) }, 1],
    ['many types', { type: Array(20_000).fill('string') }, 1],
  ])('that repeats the check of %s', async (_, once, value) => {
    expect(await makeSchemaChecker(repeatedly(once), 50_000).issues(value)).toBeUndefined()
  })

  it('that shows large constants in many messages', async () => {
    const constants = [Array(20_000).fill(0), Array(20_000).fill(1)]
    expect(await said(repeatedly({ enum: constants }), 1)).toHaveLength(20)
  })

  it('when all values together took too much', async () => {
    const checker = makeSchemaChecker({ items: { type: 'number' } }, 100)
    expect(await checker.issues(Array(80).fill(1))).toEqual([])
    expect(await checker.issues(Array(80).fill(1))).toBeUndefined()
    expect(await checker.issues([])).toBeUndefined()
  })
})

it('a schema tells which keywords are not checked, and which are wrong', async () => {
  const schema = {
    $defs: { a: { pattern: '(?=a)' }, b: { multipleOf: 2 } },
    properties: { a: { $ref: '#/$defs/a' }, b: { $ref: 'other.json' }, c: { $ref: '#/$defs/c' }, d: { pattern: '(' } },
  }
  const found = uncheckedByChecker(schema).map(({ inside, why, isWrong }) => [inside.join('.'), why, isWrong ?? false])
  expect(found).toEqual(
    expect.arrayContaining([
      ['$defs.a.pattern', 'it has a lookahead, a lookbehind or a modifier', false],
      ['$defs.b.multipleOf', undefined, false],
      ['properties.b.$ref', 'it leads out of the schema', false],
      ['properties.c.$ref', 'the schema has nothing at #/$defs/c', true],
      ['properties.d.pattern', 'it is not a valid regular expression', true],
    ]),
  )
  expect(found).toHaveLength(5)
})

import { expect, test } from 'vitest'
import { z } from 'zod'
import { unknownMembersOf } from './unknown-members.ts'

const fieldsOf = (schema: z.ZodType, value: unknown) => unknownMembersOf(schema)?.(value).map(({ field }) => field)

const inner = z.object({ key: z.string() })

test.each<[string, z.ZodType, unknown, string[] | undefined]>([
  ['an object', z.object({ a: z.number() }), { a: 1, b: 2, __proto__x: 3 }, ['b', '__proto__x']],
  ['one that is checked further', z.object({ a: z.number() }).superRefine(() => {}), { b: 2 }, ['b']],
  ['one behind a transform', z.object({ a: z.number() }).transform(() => 1), { b: 2 }, ['b']],
  ['one with defaults', z.object({ a: z.number() }).prefault({ a: 1 }), { b: 2 }, ['b']],
  ['one inside', z.object({ a: inner.nullish() }), { a: { key: 'x', val: 1 } }, ['a.val']],
  ['null inside', z.object({ a: inner.nullish() }), { a: null }, []],
  ['a list', z.object({ a: z.array(inner) }), { a: [{ key: 'x' }, { key: 'y', z: 1 }] }, ['a[1].z']],
  ['a record', z.object({ a: z.record(z.string(), inner) }), { a: { m: { key: 'x', z: 1 } } }, ['a.m.z']],
  ['an open object', z.looseObject({ a: z.number() }), { b: 2 }, undefined],
  ['a closed one inside of an open one', z.looseObject({ a: inner }), { b: 2, a: { c: 1 } }, ['a.c']],
  ['a union', z.object({ a: z.union([z.string(), inner]) }), { a: { key: 'x', z: 1 } }, ['a.z']],
  ['a value of another kind', z.object({ a: inner }), 'text', []],
  ['anything', z.unknown(), { a: 1 }, undefined],
])('%s', (_, schema, value, fields) => {
  expect(fieldsOf(schema, value)).toEqual(fields)
})

test('a body of very many unknown members is answered with a few', () => {
  const body = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`m${at}`, 1]))
  expect(fieldsOf(z.object({ a: z.number() }), body)).toHaveLength(20)
})

test('names that are known beside the schema give none, at the top alone', () => {
  const look = unknownMembersOf(z.object({ a: inner }), ['files'])
  expect(look?.({ files: '', a: { files: 1 } }).map(({ field }) => field)).toEqual(['a.files'])
})

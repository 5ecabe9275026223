import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { fillPlaceholders } from '../../lib/text/placeholders.ts'
import { textConcatenate, textEcho, textSplit, textTemplate } from './text-activities.ts'

describe('text_echo', () => {
  it.each(['Hello!', '', 0, false, { a: [1, null] }, ['x']])('puts out %j as it is', async (text) => {
    expect(await runActivity(textEcho, { text })).toEqual({ text })
  })
  it('requires a text', async () => {
    await expect(runActivity(textEcho, { text: null })).rejects.toMatchObject({ code: 'parameter_invalid' })
  })
})

describe('text_template', () => {
  it.each([
    ['Hi {{name}}!', { name: 'Ada' }, 'Hi Ada!'],
    ['Hi {{ name }}!', { variables: { name: 'Ada' } }, 'Hi Ada!'],
    ['{{name}}', { name: 'parameter', variables: { name: 'variable' } }, 'parameter'],
    ['{{n}} {{list}} {{o}} {{yes}}', { n: 3, list: [1, 'a'], o: { k: null }, yes: true }, '3 [1,"a"] {"k":null} true'],
    ['{{a}}{{a}}', { a: 'x' }, 'xx'],
    ['{{a}}', { a: '{{b}}', b: 'never' }, '{{b}}'],
    ['{{a}}', { a: '' }, ''],
    ['{{{a}}}', { a: 'x' }, '{x}'],
    ['{{ {{a}} }}', { a: 'x' }, '{{ x }}'],
    ['{{ a', { a: 'x' }, '{{ a'],
    ['a }} b {{', { a: 'x' }, 'a }} b {{'],
    ['{ {a} } $& $1', { a: 'x' }, '{ {a} } $& $1'],
    ['{{a}}', { a: '$& $1' }, '$& $1'],
    ['no placeholders', {}, 'no placeholders'],
  ])('%j with %j', async (template, parameters, text) => {
    const context = makeTestContext()
    expect(await runActivity(textTemplate, { template, ...parameters }, context)).toEqual({ text })
    expect(context.warnings).toEqual([])
  })

  it('leaves what it does not know, and warns once for each', async () => {
    const context = makeTestContext()
    const template = '{{who}} {{ who }} {{constructor}} {{}} {{gone}}'
    expect(await runActivity(textTemplate, { template, gone: null }, context)).toEqual({ text: template })
    expect(context.warnings).toHaveLength(4)
    expect(context.warnings[0]).toContain(`'{{who}}' has no value`)
  })

  it('takes linear time for what would make a pattern go back and forth', () => {
    for (const text of [
      '{'.repeat(400_000),
      '{{'.repeat(400_000),
      '{{a'.repeat(200_000),
      `${'{{a'.repeat(200_000)}}}`,
    ]) {
      fillPlaceholders(text, () => 'x')
    }
    fillPlaceholders('{{a}}'.repeat(100_000), () => 'x')
    // Anything worse than linear would run into the time limit of the test.
  })

  it('refuses more placeholders than are filled in a moment', () => {
    expect(() => fillPlaceholders('{{a}}'.repeat(100_001), () => 'x')).toThrow('more than 100000 placeholders')
  })

  it('never loses a character outside placeholders', () => {
    const piece = fc.constantFrom('{', '}', '{{', '}}', 'a', ' ', '{{a}}', 'é')
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const template = pieces.join('')
        expect(fillPlaceholders(template, () => undefined)).toBe(template)
        expect(fillPlaceholders(template, (name) => (name === 'a' ? '{{a}}' : undefined)).replaceAll(' ', '')).toBe(
          template.replaceAll(' ', ''),
        )
      }),
    )
  })
})

describe('text_concatenate', () => {
  it.each([
    [{ texts: ['a', 'b'] }, 'a\nb'],
    [{ texts: ['a', 'b'], separator: ', ' }, 'a, b'],
    [{ texts: ['a', 'b'], separator: '' }, 'ab'],
    [{ texts: [] }, ''],
    [{ texts: 'alone' }, 'alone'],
    [{ texts: ['a', { b: 1 }, 2, null] }, 'a\n{"b":1}\n2\nnull'],
  ])('%j', async (parameters, text) => expect(await runActivity(textConcatenate, parameters)).toEqual({ text }))
})

describe('text_split', () => {
  it.each([
    [{ text: 'abcdefghij', chunk_size: 4 }, ['abcd', 'efgh', 'ij']],
    [{ text: 'abcdefghij', chunk_size: 4, overlap: 2 }, ['abcd', 'cdef', 'efgh', 'ghij']],
    [{ text: 'abcd', chunk_size: 4, overlap: 3 }, ['abcd']],
    [{ text: 'abc', chunk_size: 4 }, ['abc']],
    [{ text: '', chunk_size: 4 }, []],
    [{ text: 'a🚀b🚀c', chunk_size: 2 }, ['a🚀', 'b🚀', 'c']],
  ])('%j', async (parameters, chunks) => {
    expect(await runActivity(textSplit, parameters)).toEqual({ chunks, count: chunks.length })
  })

  it('cuts at 1000 characters by default', async () => {
    expect(await runActivity(textSplit, { text: 'x'.repeat(1001) })).toMatchObject({ count: 2 })
  })

  it.each([
    [{ text: 'abc', chunk_size: 2, overlap: 2 }, 'parameter_invalid', 'must be smaller'],
    [{ text: 'abc', chunk_size: 0 }, 'parameter_invalid', 'chunk_size'],
    [{ text: 'abc', overlap: -1 }, 'parameter_invalid', 'overlap'],
    [{ text: { not: 'text' } }, 'parameter_invalid', 'text'],
    [{ text: 'x'.repeat(200_000), chunk_size: 1000, overlap: 999 }, 'output_too_large', 'Lower overlap'],
  ])('refuses %#', async (parameters, code, words) => {
    const error = await runActivity(textSplit, parameters).catch((thrown) => thrown)
    expect(error).toMatchObject({ code })
    expect(`${error.message} ${error.hint}`).toContain(words)
  })

  it('loses nothing and tears no character', async () => {
    const cases = fc.record({
      text: fc.string({ unit: 'grapheme' }),
      size: fc.integer({ min: 1, max: 9 }),
      overlap: fc.nat(8),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ text, size, overlap }) => {
        fc.pre(overlap < size)
        const { chunks } = (await runActivity(textSplit, { text, chunk_size: size, overlap })) as { chunks: string[] }
        const rejoined = chunks
          .map((chunk, index) =>
            Array.from(chunk)
              .slice(index === 0 ? 0 : overlap)
              .join(''),
          )
          .join('')
        expect(rejoined).toBe(text)
      }),
    )
  })
})
